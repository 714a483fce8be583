// What the page knows of jobs, kept up to date: the one that is looked at, the newest ones, and all about each of them.

import { useCallback, useEffect, useReducer, useRef, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { START, ended, reduce } from "./progress.js";
import { seedOf, titleOf } from "./words.js";

/** The job that is looked at: its run, its newest preview, its outputs once it has ended. */
export function useWatchedJob(onError) {
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
    let current = true;
    const stop = api.follow(id, {
      onEvent(event) {
        dispatch(event);
        if (ended(event.kind)) api.job(id).then((job) => { if (current) setOutputs(job.outputs ?? []); }, onError);
      },
      onPreview: ({ picture }) => show(URL.createObjectURL(picture)),
    });
    return () => { current = false; stop(); };
  }, [id]);
  return { id, run, preview, outputs, open: setId, close: () => setId(null) };
}

/** The newest `limit` jobs, read again when anything happens to one of them, at most twice a second. */
export function useJobs(refused, limit) {
  const [list, setList] = useState([]);
  useEffect(() => {
    if (refused) return undefined;
    let timer = null, asked = 0;
    const read = () => {
      const mine = ++asked; // a slow reply does not take the place of a later one
      api.jobs(limit).then((page) => { if (mine === asked) setList(page.jobs); }, () => {});
    };
    const soon = () => { timer ??= setTimeout(() => { timer = null; read(); }, 500); };
    read();
    const stop = api.follow(null, { onEvent: soon, onOpen: read, after: null }); // what came before it opened is read anew
    return () => { asked = -1; clearTimeout(timer); stop(); };
  }, [refused, limit]);
  return list;
}

/** id -> {workflow, title, seed, job}: what the lists leave out. Each job is read once, and once more when it has ended. */
export function useKnown(jobs) {
  const known = useRef(new Map());
  const [, redraw] = useReducer((count) => count + 1, 0);
  const learn = useCallback(async ({ id, state }) => {
    const before = known.current.get(id);
    if (before && (before.job || !ended(state))) return;
    const workflow = before?.workflow ?? (await api.workflowOf(id));
    const job = ended(state) ? await api.job(id) : null;
    known.current.set(id, { id, workflow, title: titleOf(workflow), seed: seedOf(workflow), job });
    redraw();
  }, []);
  useEffect(() => {
    let stopped = false;
    (async () => {
      for (const job of jobs) {
        if (stopped) return;
        await learn(job).catch(() => {}); // it was removed meanwhile, or is asked for again with the next news
      }
    })();
    return () => { stopped = true; };
  }, [jobs]);
  return known.current;
}
