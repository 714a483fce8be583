// The page: write a prompt or open a workflow, run it, watch it, look at what came out and use it again.

import { html, render, useCallback, useEffect, useRef, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { dataUrl } from "./files.js";
import { Gallery } from "./gallery.js";
import { Head } from "./head.js";
import { ended } from "./progress.js";
import { PromptBox } from "./prompt_box.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";
import { Tabs } from "./tabs.js";
import { Viewer } from "./viewer.js";
import { useJobs, useKnown, useWatchedJob } from "./watching.js";
import { withOtherSeeds } from "./words.js";
import { WorkflowBox } from "./workflow_box.js";

const PAGE = 24;
const CLOSED = { workflow: null, files: {}, problems: [] };

function App() {
  const [schemas, setSchemas] = useState({});
  const [tab, setTab] = useState("Prompt");
  const [opened, setOpened] = useState(CLOSED);
  const [message, setMessage] = useState("");
  const [refused, setRefused] = useState(false);
  const [limit, setLimit] = useState(PAGE);
  const [large, setLarge] = useState(null);
  const own = useRef(new Set()); // jobs of this page: the next one is shown when it begins
  const stage = useRef(null);

  const fail = useCallback((error) => {
    if (error.status === 401) setRefused(true);
    if (error.problems?.length) setOpened((now) => ({ ...now, problems: error.problems }));
    setMessage(error.message);
  }, []);
  const watched = useWatchedJob(fail);
  const list = useJobs(refused, limit);
  const known = useKnown(list);
  const idle = !watched.id || ended(watched.run.state);
  useEffect(() => { if (!refused) api.nodes().then(setSchemas, fail); }, [refused]);
  useEffect(() => {
    const next = idle && list.find(({ id, state }) => state === "running" && id !== watched.id && own.current.has(id));
    if (next) watched.open(next.id);
  }, [list, idle]);

  function show(workflow, problems, files) {
    setMessage("");
    setOpened({ workflow, problems, files });
    setTab("Workflow");
    watched.close();
  }
  async function attempt(act) {
    setMessage("");
    try { await act(); } catch (error) { fail(error); }
  }
  const open = (source) => attempt(async () => {
    const checked = await api.check(source);
    show(checked.workflow, checked.problems, {});
  });
  const change = (id, input, value) => setOpened((now) => ({
    ...now, workflow: { ...now.workflow, [id]: { ...now.workflow[id], inputs: { ...now.workflow[id].inputs, [input]: value } } },
  }));
  const addFile = (id, input, file) => {
    setOpened((now) => ({ ...now, files: { ...now.files, [`${id}.${input}`]: file } }));
    change(id, input, file.name);
  };

  /** Follow a job that this page has just submitted, unless an earlier one is still being watched. */
  const begin = (submitting) => attempt(async () => {
    setOpened((now) => ({ ...now, problems: [] }));
    const job = await submitting;
    own.current.add(job.id);
    if (idle || !own.current.has(watched.id)) watched.open(job.id);
    stage.current?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  async function run() {
    const sent = {};
    for (const file of Object.values(opened.files)) sent[file.name] = await dataUrl(file);
    return api.submit({ workflow: opened.workflow, files: sent });
  }
  const use = (work) => {
    show(work.workflow, [], {});
    watched.open(work.id);
    window.scrollTo({ top: 0 });
  };
  const reseed = (work) => begin(api.submit({ workflow: withOtherSeeds(work.workflow) }));

  const ofWatched = known.get(watched.id)?.workflow ?? null;
  const works = list.filter(({ state }) => ended(state)).map(({ id }) => known.get(id)).filter((work) => work?.job);
  const acts = { onOpen: setLarge, onUse: use, onReseed: reseed };
  return html`
    <${Head} refused=${refused} onKey=${(key) => { api.apiKey.set(key); setRefused(false); setMessage(""); }} />
    <main>
      <section class="card compose" aria-label="new picture">
        <${Tabs} names=${["Prompt", "Workflow"]} chosen=${tab} onChoose=${setTab}>
          <${PromptBox} schemas=${schemas} refused=${refused} onGenerate=${(body) => begin(api.generate(body))} onError=${fail} />
          <${WorkflowBox} opened=${opened} schemas=${schemas} refused=${refused} onOpen=${open} onError=${fail}
            onExample=${(workflow, files) => show(workflow, [], files)} onChange=${change} onFile=${addFile}
            onRun=${() => begin(run())} />
        </${Tabs}>
      </section>
      <div class="side">
        <div class="watch" ref=${stage}><${Stage} watched=${watched} problems=${opened.problems} message=${message} graphOpen=${tab === "Workflow"}
          workflow=${tab === "Workflow" && opened.workflow ? opened.workflow : ofWatched}
          onCancel=${(id) => attempt(() => api.cancel(id))} /></div>
        <${Queue} jobs=${list} known=${known} current=${watched.id} onWatch=${watched.open}
          onCancel=${(id) => attempt(() => api.cancel(id))} />
        <${Gallery} works=${works} more=${list.length >= limit} onMore=${() => setLimit(limit + PAGE)} ...${acts} />
      </div>
    </main>
    <${Viewer} works=${works} open=${large} ...${acts} />`;
}

render(html`<${App} />`, document.getElementById("app"));
