// The live figures. What they show is computed by the engine's own operations (figures.cpp); here it is only drawn.
'use strict';

(() => {
  let module; // there before any figure draws

  // What a call of the engine leaves: numbers of the given kind.
  function ask(Kind, name, ...args) {
    const done = module[`_${name}`](...args);
    const at = module._result();
    const bytes = module.HEAPU8.slice(at, at + module._result_size());
    if (!done) throw new Error(new TextDecoder().decode(bytes));
    return new Kind(bytes.buffer);
  }

  function element(name, properties = {}, ...children) {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  }

  // The parts that all figures have: a canvas, controls with labels, and a sentence that says what is to be seen.
  function parts(figure, caption, description) {
    const canvas = element('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', description);
    const controls = element('div', { className: 'controls' });
    const said = element('output', { className: 'said' });
    const side = element('div', { className: 'side' }, controls, said);
    figure.replaceChildren(element('div', { className: 'stage' }, canvas, side), element('figcaption', { textContent: caption }));
    return { figure, canvas, controls, said, side };
  }

  // A range with its label and value. `shown` says the value in words.
  function range({ controls }, label, [min, max, step], value, shown = String) {
    const words = element('output');
    const input = element('input', { type: 'range', min, max, step, value });
    const say = () => {
      words.textContent = shown(input.valueAsNumber);
      input.setAttribute('aria-valuetext', words.textContent);
    };
    input.addEventListener('input', say);
    controls.append(element('label', {}, element('span', { textContent: label }), words, input));
    say();
    return {
      input,
      get value() { return input.valueAsNumber; },
      set value(number) {
        input.value = number;
        say();
      },
    };
  }

  // Draws when a control changes, when the colours do, and at once.
  function alive({ figure }, draw) {
    let asked = false;
    const soon = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        draw();
        figure.dataset.drawn = Number(figure.dataset.drawn || 0) + 1;
      });
    };
    figure.addEventListener('input', soon);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', soon);
    addEventListener('resize', soon);
    soon();
    return soon;
  }

  // The canvas in its own pixels, empty, with coordinates from 0 to `width` and `height`; and a colour of the page by its name.
  function prepare(canvas, width, height) {
    const scale = (canvas.clientWidth * devicePixelRatio) / width;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext('2d');
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    return { pen, colour: (name) => style.getPropertyValue(`--${name}`).trim() };
  }

  // Calls `move` with a place, in parts of the canvas, where it is pressed or dragged.
  function dragged(canvas, move) {
    const tell = (event) => {
      const box = canvas.getBoundingClientRect();
      move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    };
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      tell(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) tell(event);
    });
  }

  const figures = {
    'receptive-field'(figure) {
      const side = 41;
      const ui = parts(figure, 'Which input pixels one output pixel depends on. All weights are alike; the darker, the larger the gradient.',
        'The input: shaded where the gradient of one output pixel is not 0');
      const layers = range(ui, 'Convolutions', [0, 12, 1], 3);
      const kernel = range(ui, 'Kernel', [1, 7, 2], 3, (k) => `${k} x ${k}`);
      const row = range(ui, 'Row', [0, side - 1, 1], 20);
      const column = range(ui, 'Column', [0, side - 1, 1], 20);

      const draw = alive(ui, () => {
        const gradient = ask(Float64Array, 'receptive_field', side, layers.value, kernel.value, row.value, column.value);
        const largest = Math.max(...gradient);
        const { pen, colour } = prepare(ui.canvas, side, side);
        const seen = [...gradient.keys()].filter((i) => gradient[i] > 0);
        pen.fillStyle = colour('accent');
        for (const i of seen) {
          pen.globalAlpha = 0.12 + 0.88 * Math.sqrt(gradient[i] / largest);
          pen.fillRect(i % side, Math.floor(i / side), 0.94, 0.94);
        }
        pen.globalAlpha = 1;
        pen.strokeStyle = colour('ink');
        pen.lineWidth = 0.25;
        pen.strokeRect(column.value, row.value, 0.94, 0.94);
        const extent = (of) => Math.max(...seen.map(of)) - Math.min(...seen.map(of)) + 1;
        const [high, wide] = [extent((i) => Math.floor(i / side)), extent((i) => i % side)];
        ui.said.textContent = `${high} x ${wide} pixels; the one in its own place has ${(100 * gradient[row.value * side + column.value]).toPrecision(3)} % of the weight.`;
      });
      dragged(ui.canvas, (x, y) => {
        column.value = Math.floor(x * side);
        row.value = Math.floor(y * side);
        draw();
      });
    },

    search(figure) {
      const ui = parts(figure, 'A query of 16 x 16 pixels and its nearest patches in a window of 40 x 40, the nearest drawn the heaviest. Drag the query.',
        'A brick wall with windows; a square for the query, and one for each of its matches');
      const { picture, width, height } = wall();
      const row = range(ui, 'Row', [8, height - 8, 1], 74);
      const column = range(ui, 'Column', [8, width - 8, 1], 132);
      const count = range(ui, 'Matches', [2, 33, 1], 9, (n) => String(n - 1));

      const draw = alive(ui, () => {
        const found = ask(Float64Array, 'search', row.value, column.value, count.value);
        const { pen, colour } = prepare(ui.canvas, width, height);
        pen.imageSmoothingEnabled = false;
        pen.drawImage(picture, 0, 0);
        const square = (r, c, stroke, thick) => {
          for (const [style, more] of [['#000', 0.8], [stroke, 0]]) {
            pen.strokeStyle = style;
            pen.lineWidth = thick + more;
            pen.strokeRect(c - 8, r - 8, 16, 16);
          }
        };
        pen.setLineDash([2, 2]);
        pen.strokeStyle = '#fff';
        pen.lineWidth = 0.6;
        const [top, start] = [Math.max(0, row.value - 28), Math.max(0, column.value - 28)];
        pen.strokeRect(start, top, Math.min(width, column.value + 28) - start, Math.min(height, row.value + 28) - top);
        pen.setLineDash([]);
        for (let k = count.value - 1; k > 0; --k) square(found[3 * k], found[3 * k + 1], '#ffd84d', 0.5 + 1.3 * (1 - k / count.value));
        square(row.value, column.value, '#fff', 1.6);
        const distance = (k) => found[3 * k + 2].toFixed(2);
        ui.said.textContent = `Nearest: row ${found[3]}, column ${found[4]}, d = ${distance(1)}. Farthest of these: d = ${distance(count.value - 1)}.`;
      });
      dragged(ui.canvas, (x, y) => {
        column.value = Math.round(x * width);
        row.value = Math.round(y * height);
        draw();
      });
    },

    softmax(figure) {
      const ui = parts(figure, 'A query among five keys. Its own key is at the top; the arrow at the query is the way that the loss pulls it, the longer, the stronger.',
        'Unit vectors in the plane: five keys, the query, and its pull');
      const angle = range(ui, 'Query', [-180, 180, 1], 40, (degrees) => `${degrees} degrees`);
      const heat = range(ui, 'Temperature', [-2, 0.5, 0.01], -0.3, (x) => (10 ** x).toPrecision(2));
      const bars = element('ol', { className: 'bars' });
      ui.side.insertBefore(bars, ui.said);
      const size = 240, centre = size / 2, radius = 88;

      const draw = alive(ui, () => {
        const numbers = ask(Float64Array, 'contrast', angle.value, 10 ** heat.value);
        const count = (numbers.length - 3) / 2;
        const [angles, weights, [loss, ...pull]] = [numbers.slice(0, count), numbers.slice(count, 2 * count), numbers.slice(2 * count)];
        const { pen, colour } = prepare(ui.canvas, size, size);
        const at = (degrees, r = radius) => {
          const turn = (degrees * Math.PI) / 180;
          return [centre + r * Math.cos(turn), centre - r * Math.sin(turn)];
        };
        const line = (from, to, style, thick) => {
          pen.strokeStyle = style;
          pen.lineWidth = thick;
          pen.beginPath();
          pen.moveTo(...from);
          pen.lineTo(...to);
          pen.stroke();
        };
        pen.strokeStyle = colour('edge');
        pen.beginPath();
        pen.arc(centre, centre, radius, 0, 2 * Math.PI);
        pen.stroke();
        pen.font = '11px system-ui, sans-serif';
        pen.textAlign = 'center';
        pen.textBaseline = 'middle';
        angles.forEach((degrees, k) => {
          line([centre, centre], at(degrees), colour('edge'), 1);
          pen.fillStyle = colour(k === 0 ? 'accent' : 'faint');
          pen.beginPath();
          pen.arc(...at(degrees), 4 + 6 * weights[k], 0, 2 * Math.PI);
          pen.fill();
          pen.fillText(k === 0 ? 'own' : k, ...at(degrees, radius + 20));
        });
        const tip = at(angle.value);
        line([centre, centre], tip, colour('ink'), 2.5);
        const strength = Math.hypot(...pull), reach = 70 / (1 + strength); // in the limit 70
        line(tip, [tip[0] + reach * pull[0], tip[1] - reach * pull[1]], colour('number'), 3);
        bars.replaceChildren(...Array.from(weights, (weight, k) => {
          const bar = element('span', { className: 'bar' });
          bar.style.width = `${100 * weight}%`;
          return element('li', {}, element('span', { textContent: k === 0 ? 'own' : String(k) }), element('span', {}, bar), element('span', { textContent: weight.toFixed(3) }));
        }));
        ui.said.textContent = `Loss of this query: ${loss.toFixed(3)}. Pull: ${strength.toPrecision(2)}.`;
      });
      dragged(ui.canvas, (x, y) => {
        angle.value = Math.round((Math.atan2(0.5 - y, x - 0.5) * 180) / Math.PI);
        draw();
      });
    },

    rain(figure) {
      const ui = parts(figure, 'Rain as nlcl-synth draws it. Another seed, other drops; angle, brightness and veil leave them where they are.', 'A brick wall with windows in the rain');
      const { width, height } = wall();
      const controls = [
        range(ui, 'Angle', [-60, 60, 1], 12, (x) => `${x} degrees`),
        range(ui, 'Length', [1, 100, 1], 22, (x) => `${x} pixels`),
        range(ui, 'Width', [0.3, 6, 0.1], 1.5, (x) => `${x.toFixed(1)} pixels`),
        range(ui, 'Density', [0, 60000, 500], 12000, (x) => `${x} in a million pixels`),
        range(ui, 'Brightness', [0, 1, 0.05], 0.5, (x) => x.toFixed(2)),
        range(ui, 'Veil', [0, 0.8, 0.02], 0.1, (x) => x.toFixed(2)),
        range(ui, 'Seed', [1, 20, 1], 1),
      ];
      alive(ui, () => {
        const rainy = ask(Uint8ClampedArray, 'rain', ...controls.map(({ value }) => value));
        const dry = ask(Uint8ClampedArray, 'draw_picture');
        const { pen } = prepare(ui.canvas, width, height);
        pen.imageSmoothingEnabled = false;
        pen.drawImage(canvas_of(rainy, width, height), 0, 0);
        const squares = rainy.reduce((sum, level, i) => sum + (level - dry[i]) ** 2, 0) / (3 * width * height);
        ui.said.textContent = squares === 0 ? 'As dry as before.' : `Levels differ from the dry picture by ${Math.sqrt(squares).toFixed(1)} in the root mean square.`;
      });
    },
  };

  function canvas_of(levels, width, height) {
    const canvas = element('canvas', { width, height });
    canvas.getContext('2d').putImageData(new ImageData(levels, width, height), 0, 0);
    return canvas;
  }

  function wall() {
    const [width, height] = [module._width(), module._height()];
    return { picture: canvas_of(ask(Uint8ClampedArray, 'draw_picture'), width, height), width, height };
  }

  engine().then((made) => {
    module = made;
    for (const figure of document.querySelectorAll('figure.live')) figures[figure.dataset.figure](figure);
  }).catch((error) => {
    for (const figure of document.querySelectorAll('figure.live')) figure.textContent = `This figure cannot be computed here: ${error.message}`;
  });
})();
