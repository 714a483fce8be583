// Tabs as readers' programs know them: arrow keys go from one to the next, all panels keep what was typed into them.

import { html, useRef } from "./vendor/htm-preact.module.js";

/** `names` of the `children`, in their order. */
export function Tabs({ names, chosen, onChoose, children }) {
  const list = useRef(null);
  const press = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(chosen) + step + names.length) % names.length];
    onChoose(next);
    list.current.querySelector(`#tab-${next}`).focus();
  };
  return html`
    <div role="tablist" class="tabs" ref=${list} onKeyDown=${press}>
      ${names.map((name) => html`<button type="button" role="tab" id=${`tab-${name}`} aria-controls=${`panel-${name}`}
        aria-selected=${String(name === chosen)} tabindex=${name === chosen ? 0 : -1} onClick=${() => onChoose(name)}>${name}</button>`)}
    </div>
    ${children.map((child, place) => html`
      <div role="tabpanel" id=${`panel-${names[place]}`} aria-labelledby=${`tab-${names[place]}`} hidden=${names[place] !== chosen}>${child}</div>`)}`;
}
