// The page's head: its name, where else to go, the colours, and a field for an API key where one is needed.

import { html, useEffect, useLayoutEffect, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";

const THEME = "dagfusion-theme";
const NEXT = { auto: "dark", dark: "light", light: "auto" };
const SIGNS = { auto: "◐", dark: "☾", light: "☀" };

export function Head({ refused, onKey }) {
  return html`
    <header>
      <h1><img src="page/icon.svg" alt="" width="22" height="22" /> dagfusion</h1>
      ${refused && html`<${KeyField} onKey=${onKey} />`}
      <nav><${FrontEnd} refused=${refused} /><a href="docs">API</a><${Colours} /></nav>
    </header>`;
}

/** A link to ComfyUI's own front end, where the service says at which path of its own it serves it. */
function FrontEnd({ refused }) {
  const [path, setPath] = useState(null);
  useEffect(() => {
    if (!refused) api.features().then(({ frontend }) => setPath(/^\/(?![/\\])/.test(frontend) ? frontend : null), () => {});
  }, [refused]);
  return path && html`<a href=${path}>Graph editor</a>`;
}

function Colours() {
  const [theme, setTheme] = useState(() => localStorage.getItem(THEME) ?? "auto");
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(THEME, theme);
  }, [theme]);
  const name = `Colours: ${theme === "auto" ? "as the system" : theme}`;
  return html`<button type="button" class="plain" aria-label=${name} title=${name} onClick=${() => setTheme(NEXT[theme] ?? "auto")}>${SIGNS[theme] ?? SIGNS.auto}</button>`;
}

function KeyField({ onKey }) {
  const submit = (event) => { event.preventDefault(); onKey(new FormData(event.target).get("key").trim()); };
  return html`<form class="row key" onSubmit=${submit}>
    <label for="key">API key</label><input id="key" name="key" type="password" required autocomplete="off" />
    <button>Use</button></form>`;
}
