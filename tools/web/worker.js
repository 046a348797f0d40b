// Computes, so that the page stays free: one engine, one photograph at a time, one answer for each message.
'use strict';

importScripts('engine.js');

let task = 0; // of which photograph progress is told
const ready = engine({
  onprogress: (part) => postMessage({ task, part }),
}).then(async (module) => {
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

// Calls `f` with the address and the number of bytes that it reads.
function give(module, f, buffer) {
  const at = module._allocate(buffer.byteLength);
  if (!at) throw new Error('out of memory');
  module.HEAPU8.set(new Uint8Array(buffer), at);
  try {
    checked(module, f(at, buffer.byteLength));
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

const tasks = {
  // The clean layer as a file like the photograph's, and both layers as pixels, from which other files can be made.
  async derain(module, { file }) {
    const bytes = await file.arrayBuffer();
    const start = performance.now();
    give(module, module._open_photograph, bytes);
    const warnings = words(module).trim();
    checked(module, module._derain());
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
    return { ...size, seconds, warnings, layers, extension, saved, memory: module.HEAPU8.length };
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
    task = data.task;
    postMessage({ task: data.task, done: await tasks[data.kind](module, data) });
  } catch (error) {
    postMessage({ task: data.task, error: error.message || String(error) });
  }
};
