// Computes, so that the page stays free: one engine, one photograph at a time, one answer for each message.
//
// It shares the tiles of a photograph among helpers, as many as there are cores, each of which is this same worker with an
// engine of its own: tiles go there and back in messages. Threads in a shared memory would do it too, but browsers grant
// that only to pages that come with two headers about their origin, which a plain server of files does not send; and they
// would take a second module for where it is not granted. Tiles are many and small (1900 of 110 KB in 12 megapixels, each
// some 50 ms of work), so there is nothing to gain by sharing more than them.
'use strict';

importScripts('engine.js');

const ready = engine().then(async (module) => {
  const response = await fetch('real.safetensors');
  if (!response.ok) throw new Error(`the weights cannot be fetched (${response.status})`);
  give(module, module._load, await response.arrayBuffer());
  return module;
});
ready.catch(() => {}); // told to each photograph that waits for it

const taken = (module) => module.HEAPU8.slice(module._result(), module._result() + module._result_size());
const words = (module) => new TextDecoder().decode(taken(module));

function checked(module, is_done) {
  if (!is_done) throw new Error(words(module));
}

// Calls `f` with the arguments, the address and the number of bytes that it reads.
function give(module, f, buffer, ...before) {
  const at = module._allocate(buffer.byteLength);
  if (!at) throw new Error('out of memory');
  module.HEAPU8.set(new Uint8Array(buffer), at);
  try {
    checked(module, f(...before, at, buffer.byteLength));
  } finally {
    module._release(at);
  }
}

function encoded(module, f, extension) {
  const at = module._allocate(extension.length + 1);
  for (let i = 0; i <= extension.length; ++i) module.HEAPU8[at + i] = extension.charCodeAt(i) || 0;
  try {
    checked(module, f(at, 0));
  } finally {
    module._release(at);
  }
  return new Blob([taken(module)], { type: extension === '.png' ? 'image/png' : 'image/jpeg' });
}

// ---- Helpers ----

const helpers = [];
let asked = 0;

function ask(helper, order, transfer) {
  const task = ++asked, answered = new AbortController(), { signal } = answered;
  return new Promise((resolve, reject) => {
    const hear = ({ data }) => {
      if (data.task === task) data.error ? reject(new Error(data.error)) : resolve(data.done);
    };
    const fail = ({ message }) => reject(new Error(message || 'the engine cannot be loaded'));
    helper.addEventListener('message', hear, { signal });
    helper.addEventListener('error', fail, { signal });
    helper.postMessage({ ...order, task }, transfer);
  }).finally(() => answered.abort());
}

// Takes the rain off the photograph that is open.
async function derain(module, cores, on_part) {
  checked(module, module._begin_tiles());
  const count = module._tile_count(), height = module._tile_height(), width = module._tile_width();
  while (helpers.length < Math.min(count, cores)) helpers.push(new Worker('worker.js'));

  let cut = 0, done = 0;
  const lane = async (helper) => {
    try {
      while (cut < count) {
        const k = cut++;
        checked(module, module._cut_tile());
        const tile = taken(module).buffer;
        const clean = await ask(helper, { kind: 'derain_tile', tile, height, width }, [tile]);
        give(module, module._put_tile, clean, k);
        on_part(++done / count);
      }
    } finally {
      cut = count; // after an error
    }
  };
  const lanes = [...helpers, ...helpers].map(lane); // two each: a helper has its next tile when it is done with one
  await Promise.allSettled(lanes);
  await Promise.all(lanes);
}

const tasks = {
  async derain_tile(module, { tile, height, width }) {
    give(module, module._derain_tile, tile, height, width);
    return taken(module).buffer;
  },

  // The clean layer as a file like the photograph's, and both layers as pixels, from which other files can be made.
  async derain(module, { file, cores, task }) {
    const bytes = await file.arrayBuffer();
    const start = performance.now();
    give(module, module._open_photograph, bytes);
    const warnings = words(module).trim();
    await derain(module, cores, (part) => postMessage({ task, part }));
    const seconds = (performance.now() - start) / 1000;
    const first = new Uint8Array(bytes);
    const extension = first[0] === 0xff && first[1] === 0xd8 ? '.jpg' : '.png';
    const layers = {};
    for (const layer of ['clean', 'rain']) {
      checked(module, module[`_${layer}_pixels`]());
      layers[layer] = new Blob([taken(module)]);
    }
    const size = { width: module._width(), height: module._height() };
    const saved = encoded(module, module._encode_clean, extension);
    return { ...size, seconds, warnings, layers, extension, saved, helpers: helpers.length, memory: module.HEAPU8.length };
  },

  // A file of a layer, or of the photograph itself where no pixels are given.
  async encode(module, { file, layer, pixels, extension }) {
    give(module, module._open_photograph, await file.arrayBuffer());
    if (pixels) give(module, module[`_put_${layer}_pixels`], await pixels.arrayBuffer());
    return { saved: encoded(module, module[`_encode_${layer}`], extension) };
  },
};

onmessage = async ({ data }) => {
  try {
    const module = await ready;
    postMessage({ task: data.task, done: await tasks[data.kind](module, data) });
  } catch (error) {
    postMessage({ task: data.task, error: error.message || String(error) });
  }
};
