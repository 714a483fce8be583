// The page: drop a workflow, edit it, run it, watch it, see what came out, the queue and the history.

import { html, render, useCallback, useEffect, useReducer, useRef, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { Examples } from "./examples.js";
import { Form } from "./form.js";
import { Graph } from "./graph.js";
import { Jobs } from "./jobs.js";
import { Outputs } from "./outputs.js";
import { START, ended, reduce } from "./progress.js";

function App() {
  const [schemas, setSchemas] = useState({});
  const [workflow, setWorkflow] = useState(null);
  const [problems, setProblems] = useState([]);
  const [files, setFiles] = useState({});
  const [message, setMessage] = useState("");
  const [refused, setRefused] = useState(false);
  const watched = useWatchedJob(setMessage);
  const list = useJobs(refused);

  const fail = useCallback((error) => {
    if (error.status === 401) setRefused(true);
    if (error.problems?.length) setProblems(error.problems);
    setMessage(error.message);
  }, []);
  useEffect(() => { api.nodes().then((found) => { setSchemas(found); setRefused(false); }, fail); }, [refused]);

  function show(opened, itsProblems, itsFiles) {
    setMessage("");
    setWorkflow(opened);
    setProblems(itsProblems);
    setFiles(itsFiles);
    watched.close();
  }

  async function open(source) {
    setMessage("");
    try {
      const checked = await api.check(source);
      show(checked.workflow, checked.problems, {});
    } catch (error) { fail(error); }
  }

  const change = (id, input, value) => setWorkflow((now) => ({
    ...now, [id]: { ...now[id], inputs: { ...now[id].inputs, [input]: value } },
  }));

  function addFile(id, input, file) {
    setFiles((now) => ({ ...now, [`${id}.${input}`]: file }));
    change(id, input, file.name);
  }

  async function run() {
    setMessage("");
    setProblems([]);
    try {
      const sent = {};
      for (const file of Object.values(files)) sent[file.name] = await dataUrl(file);
      const job = await api.submit({ workflow, files: sent, previews: true });
      watched.open(job.id);
    } catch (error) { fail(error); }
  }

  async function cancel(id) {
    try { await api.cancel(id); } catch (error) { fail(error); }
  }

  async function openJob(id) {
    try {
      setWorkflow(await api.workflowOf(id));
      setProblems([]);
      setFiles({});
      setMessage("");
      watched.open(id);
    } catch (error) { fail(error); }
  }

  const busy = watched.id && !ended(watched.run.state);
  return html`
    <header>
      <h1>dagfusion</h1>
      <nav><a href="docs">API</a></nav>
      ${refused && html`<${KeyField} onKey=${(key) => { api.apiKey.set(key); setRefused(false); setMessage(""); }} />`}
    </header>
    <main>
      <section class="left" aria-label="workflow">
        <${Drop} onOpen=${open} onError=${fail} small=${workflow !== null} />
        <${Examples} open=${workflow === null} refused=${refused} onError=${fail}
          onOpen=${(opened, itsFiles) => show(opened, [], itsFiles)} />
        ${workflow && html`
          <${Form} workflow=${workflow} schemas=${schemas} files=${files} problems=${problems}
            onChange=${change} onFile=${addFile} />`}
      </section>
      <section class="middle" aria-label="run">
        <div class="row actions">
          <button type="button" class="primary" disabled=${!workflow} onClick=${run}>Run</button>
          ${busy && html`<button type="button" onClick=${() => cancel(watched.id)}>Cancel</button>`}
          <${Status} run=${watched.run} />
        </div>
        <div role="alert">
          ${message && html`<p class="problem">${message}</p>`}
          ${watched.run.error && html`<p class="problem">${watched.run.error.message}
            ${watched.run.error.remedy && ` (${watched.run.error.remedy})`}</p>`}
          ${problems.length > 0 && html`<ul class="problem">${problems.map((problem) => html`
            <li>${problem.node_id && `node ${problem.node_id} (${problem.class_type}): `}${problem.message}
              ${problem.remedy && ` (${problem.remedy})`}</li>`)}</ul>`}
        </div>
        ${workflow && html`<${Graph} workflow=${workflow} states=${watched.run.nodes} problems=${problems} />`}
        ${watched.preview && busy && html`<img class="preview" src=${watched.preview} alt="unfinished picture" />`}
        <${Outputs} outputs=${watched.outputs} />
      </section>
      <aside aria-label="jobs"><${Jobs} jobs=${list} current=${watched.id} onOpen=${openJob} onCancel=${cancel} /></aside>
    </main>`;
}

/** The job that is shown: its run, its newest preview, its outputs once it has ended. */
function useWatchedJob(onError) {
  const [id, setId] = useState(null);
  const [run, dispatch] = useReducer((now, event) => (event === null ? START : reduce(now, event)), START);
  const [preview, setPreview] = useState(null);
  const [outputs, setOutputs] = useState([]);
  const shown = useRef(null);
  const show = (address) => {
    if (shown.current) URL.revokeObjectURL(shown.current);
    shown.current = address;
    setPreview(address);
  };
  useEffect(() => {
    dispatch(null);
    setOutputs([]);
    show(null);
    if (!id) return undefined;
    return api.follow(id, {
      onEvent(event) {
        dispatch(event);
        if (ended(event.kind)) api.job(id).then((job) => setOutputs(job.outputs ?? []), (error) => onError(error.message));
      },
      onPreview: ({ picture }) => show(URL.createObjectURL(picture)),
    });
  }, [id]);
  return { id, run, preview, outputs, open: setId, close: () => setId(null) };
}

/** The newest jobs, read again when anything happens to one of them, at most twice a second. */
function useJobs(refused) {
  const [list, setList] = useState([]);
  useEffect(() => {
    if (refused) return undefined;
    let timer = null, stop = () => {}, stopped = false;
    const read = () => api.jobs().then((page) => setList(page.jobs), () => {});
    const soon = () => { timer ??= setTimeout(() => { timer = null; read(); }, 500); };
    read().then(() => { if (!stopped) stop = api.follow(null, { onEvent: soon, after: null }); });
    return () => { stopped = true; clearTimeout(timer); stop(); };
  }, [refused]);
  return list;
}

function Status({ run }) {
  if (run.state === "idle") return html`<span class="small" role="status">ready</span>`;
  const percent = Math.round(100 * run.fraction);
  return html`
    <span role="status">${run.state}</span>
    <progress max="100" value=${percent} aria-label="progress of the run">${percent} %</progress>`;
}

function KeyField({ onKey }) {
  const submit = (event) => { event.preventDefault(); onKey(new FormData(event.target).get("key").trim()); };
  return html`<form class="row" onSubmit=${submit}>
    <label for="key">API key</label><input id="key" name="key" type="password" required autocomplete="off" />
    <button>Use</button></form>`;
}

function Drop({ onOpen, onError, small }) {
  const [over, setOver] = useState(false);
  const take = async (file) => {
    if (!file) return;
    if (file.type.startsWith("image/")) return onOpen(file);
    try { onOpen(JSON.parse(await file.text())); }
    catch { onError(new Error(`${file.name} is neither JSON nor a picture that carries a workflow`)); }
  };
  return html`
    <label class="drop ${over ? "over" : ""} ${small ? "small-drop" : ""}"
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave=${() => setOver(false)}
      onDrop=${(event) => { event.preventDefault(); setOver(false); take(event.dataTransfer.files[0]); }}>
      <span>Drop a ComfyUI workflow here: JSON, or a PNG that carries one. Or choose a file.</span>
      <input type="file" accept=".json,image/png,image/webp" aria-label="workflow file"
        onChange=${(event) => { take(event.target.files[0]); event.target.value = ""; }} />
    </label>`;
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

render(html`<${App} />`, document.getElementById("app"));
