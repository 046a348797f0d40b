// The page: cards of photographs, and workers that compute for them.
'use strict';

const $ = (selector, within = document) => within.querySelector(selector);
const say = (text) => ($('#status').textContent = text);

// ---- Workers ----

// A worker for one kind of task, and those that wait for it: one is cancelled by ending the worker. What this returns is a
// function: it resolves to the worker's answer, and on_part(part) is told how much is done.
function line(kind) {
  let worker = null, running = null, tasks = 0;
  const waiting = [];

  function go_on() {
    if (running || !waiting.length) return;
    if (!worker) {
      worker = new Worker('worker.js');
      worker.onmessage = hear;
      worker.onerror = (event) => {
        event.preventDefault();
        const task = running;
        end();
        if (task) task.reject(new Error(event.message || 'the engine cannot be loaded'));
      };
    }
    running = waiting.shift();
    worker.postMessage(running.order);
  }

  function hear({ data }) {
    if (!running || data.task !== running.order.task) return;
    if ('part' in data) return running.on_part(data.part);
    const task = running;
    running = null;
    data.error ? task.reject(new Error(data.error)) : task.resolve(data.done);
    go_on();
  }

  function end() {
    if (worker) worker.terminate();
    worker = running = null;
    go_on();
  }

  return (order, on_part = () => {}) => {
    const task = { order: { ...order, kind, task: ++tasks }, on_part };
    const answer = new Promise((resolve, reject) => Object.assign(task, { resolve, reject }));
    waiting.push(task);
    go_on();
    answer.cancel = () => {
      if (running === task) return end();
      if (waiting.includes(task)) waiting.splice(waiting.indexOf(task), 1);
    };
    return answer;
  };
}

const derain = line('derain'), encode = line('encode'); // one photograph can be saved while another is computed

// ---- A photograph ----

const stem = (name) => name.replace(/\.[^.]*$/, '') || 'photograph';

function add(file) {
  const card = $('#card').content.cloneNode(true).firstElementChild;
  $('#photographs').append(card);
  document.body.classList.add('filled');
  for (const name of card.querySelectorAll('.name')) name.textContent = file.name;

  const bar = $('progress', card);
  bar.setAttribute('aria-label', `Progress of ${file.name}`);
  $('.cancel', card).setAttribute('aria-label', `Cancel ${file.name}`);
  for (const button of card.querySelectorAll('.remove')) {
    button.setAttribute('aria-label', `Remove ${file.name}`);
    button.onclick = () => remove(card);
  }

  const answer = derain({ file, cores: navigator.hardwareConcurrency || 1 }, (part) => {
    bar.value = part;
    $('.state', card).textContent = `${Math.round(100 * part)} %`;
  });
  $('.cancel', card).onclick = () => {
    answer.cancel();
    remove(card);
    say(`${file.name} is cancelled`);
  };
  answer.then((result) => show(card, file, result)).catch((error) => fail(card, file, error));
}

function remove(card) {
  for (const url of card.urls || []) URL.revokeObjectURL(url);
  card.remove();
  if (!$('article')) document.body.classList.remove('filled');
  $('#choose').focus();
}

function fail(card, file, error) {
  $('.work', card).hidden = $('.result', card).hidden = true;
  $('.failure', card).hidden = false;
  $('.failure p', card).textContent = `${file.name}: ${error.message}`;
}

async function show(card, file, result) {
  const { width, height, seconds, layers, extension } = result;
  const files = { ['clean' + extension]: result.saved }; // made once each
  card.urls = [];
  const url = (blob) => (card.urls.push(URL.createObjectURL(blob)), card.urls.at(-1));
  const file_of = async (layer, kind) =>
    (files[layer + kind] ??= (await encode({ file, layer, pixels: layers[layer], extension: kind })).saved);

  const stage = $('.stage', card), before = $('.before', card), after = $('.after', card), format = $('.format', card);
  card.style.setProperty('--shape', width / height);
  before.src = url(file);
  after.src = url(result.saved);
  before.alt = `${file.name}, before`;
  after.alt = `${file.name}, without rain`;
  await before.decode().catch(() => {});
  if (before.naturalWidth !== width || before.naturalHeight !== height)  // the browser does not know the format
    before.src = url((await encode({ file, layer: 'clean', extension: '.png' })).saved);
  await after.decode().catch(() => {});

  slide(stage, file.name);
  format.value = extension;
  format.setAttribute('aria-label', `Format of ${file.name} when saved`);
  const facts = [`${width} × ${height}`, `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`];
  $('.facts', card).textContent = facts.join(' · ');
  $('.facts', card).title = result.warnings;
  const { helpers, memory } = result;
  Object.assign(card.dataset, { seconds, helpers, memory });

  const layer = $('.layer', card), save = $('.save', card);
  const shown = () => (layer.getAttribute('aria-pressed') === 'true' ? 'rain' : 'clean');
  const busy = async (button, work) => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      say(`${file.name}: ${error.message}`);
    }
    button.disabled = false;
  };
  layer.onclick = () => busy(layer, async () => {
    const next = shown() === 'rain' ? 'clean' : 'rain';
    const kind = next === 'rain' ? '.png' : extension;
    after.src = url(await file_of(next, kind));
    after.alt = next === 'rain' ? `Rain layer of ${file.name}` : `${file.name}, without rain`;
    $('.right', card).textContent = next === 'rain' ? 'Rain' : 'After';
    layer.setAttribute('aria-pressed', next === 'rain');
  });
  save.setAttribute('aria-label', `Save ${file.name}`);
  save.onclick = () => busy(save, async () => {
    const link = document.createElement('a');
    link.href = url(await file_of(shown(), format.value));
    link.download = file.name === stem(file.name) + format.value || /\.jpeg$/i.test(file.name) && format.value === '.jpg'
      ? file.name : stem(file.name) + format.value;
    if (shown() === 'rain') link.download = `${stem(file.name)}-rain${format.value}`;
    link.click();
  });

  $('.work', card).hidden = true;
  $('.result', card).hidden = false;
  card.scrollIntoView({ block: 'nearest' });
  say(`${file.name} is done`);
}

// The line follows the mouse, the finger, and the keys of the range input.
function slide(stage, name) {
  const slider = $('.slider', stage);
  const move = (percent) => {
    slider.value = percent;
    stage.style.setProperty('--at', `${percent}%`);
    slider.setAttribute('aria-valuetext', `${Math.round(percent)} % before, the rest after`);
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    move(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
  };
  slider.setAttribute('aria-label', `Before and after of ${name}`);
  slider.oninput = () => move(Number(slider.value));
  stage.onpointerdown = (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    follow(event);
  };
  stage.onpointermove = (event) => stage.hasPointerCapture(event.pointerId) && follow(event);
  move(50);
}

// ---- Where photographs come from ----

const add_all = (files) => [...files].forEach(add);

$('#choose').onclick = () => $('#files').click();
$('#files').onchange = ({ target }) => {
  add_all(target.files);
  target.value = '';
};
$('#sample').onclick = async () => {
  const response = await fetch('sample.jpg');
  if (response.ok) add(new File([await response.blob()], 'sample.jpg'));
  else say('The sample cannot be fetched');
};
addEventListener('paste', (event) => add_all(event.clipboardData.files));
addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('over');
});
addEventListener('dragleave', (event) => event.relatedTarget || document.body.classList.remove('over'));
addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('over');
  add_all(event.dataTransfer.files);
});
