// Cards and wires on the stage. A card is made once and moves; wires are drawn anew.
const $ = (id) => document.getElementById(id);
const make = (tag, className = '', text = '') => { const e = document.createElement(tag); if (className) e.className = className; if (text !== '') e.textContent = text; return e; };
const svg = (tag, attributes) => { const e = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v); return e; };
const CARDS = new Map();                       // table -> element
const KIND_NAMES = DATA.kinds.map(([name]) => name);
const kindTitle = (k) => lang === 'zh' ? DATA.kinds[k][1] : KIND_EN[KIND_NAMES[k]];
const layerTitle = (name) => lang === 'zh' ? DATA.layers[LAYER[name]][1] : LAYER_EN[name];
const tableTitle = (t) => lang === 'zh' ? t.title : t.name;
const tableSub = (t) => lang === 'zh' ? t.full : t.title;
const columnTitle = (c) => lang === 'zh' ? c.title || c.name : c.name;
const columnSub = (c) => lang === 'zh' ? c.name : c.title;
let drawn = null;                              // the layout that is shown, with its links

function cardOf(i) {
  if (CARDS.has(i)) return CARDS.get(i);
  const t = TABLES[i], e = make('article', `card layer-${t.layerName}`);
  e.dataset.table = i;
  CARDS.set(i, e);
  return e;
}

function fill(e, t, columns, marked) {
  e.replaceChildren();
  const head = make('button', 'head');
  head.type = 'button';
  head.dataset.table = t.i;
  head.append(make('span', 'name', tableTitle(t)));
  if (columns) head.append(make('span', 'sub', tableSub(t)));
  if (!columns && t.rows !== undefined) head.append(make('span', 'count', short(t.rows)));
  head.title = `${t.title}\n${t.full}`;
  e.append(head);
  e.classList.toggle('open', Boolean(columns));
  for (const c of columns || []) {
    const one = t.columns[c], row = make('button', 'column');
    row.type = 'button';
    row.dataset.table = t.i; row.dataset.column = c;
    if (t.key.has(c)) row.classList.add('key');
    if (one.level >= 'L3') { row.classList.add('personal'); row.title = say('personal'); }
    if (marked && marked.has(spot(t.i, c))) row.classList.add('marked');
    row.append(make('span', 'name', columnTitle(one)), make('span', 'sub', columnSub(one)));
    e.append(row);
  }
}
const short = (n) => n >= 1e8 ? `${(n / 1e8).toFixed(1)}亿` : n >= 1e4 ? (lang === 'zh' ? `${(n / 1e4).toFixed(n >= 1e5 ? 0 : 1)}万` : `${(n / 1e3).toFixed(0)}k`) : number(n);

// Put a layout on the stage; cards that stay glide to their new places.
function show(layout, {marked = new Set(), chosen = null, soft = new Set()} = {}) {
  const scene = $('scene');
  drawn = layout;
  scene.style.zoom = scale;
  scene.style.width = `${Math.ceil(layout.width)}px`;
  scene.style.height = `${Math.ceil(layout.height)}px`;
  for (const old of scene.querySelectorAll('.group')) old.remove();
  $('bands').replaceChildren();
  for (const b of layout.bands) {
    const e = make('div', `band layer-${b.name}`);
    e.append(make('b', '', layerTitle(b.name)), make('span', '', ` ${number(b.count)}`));
    Object.assign(e.style, {left: `${b.x}px`, width: `${b.w}px`});
    $('bands').append(e);
  }
  for (const h of layout.heads) {
    const e = make('div', 'group', h.title);
    if (h.department) e.dataset.department = h.department;
    e.title = h.title;
    Object.assign(e.style, {left: `${h.x}px`, top: `${h.y}px`, width: `${h.w}px`});
    scene.append(e);
  }
  for (const [i, e] of CARDS) if (!layout.cards.has(i)) { e.remove(); CARDS.delete(i); }
  for (const [i, c] of layout.cards) {
    const e = cardOf(i), fresh = !e.isConnected;
    fill(e, TABLES[i], c.columns, marked);
    e.classList.toggle('narrow', c.w < (c.ports ? 158 : 140));
    e.classList.toggle('chosen', chosen === i);
    e.classList.toggle('soft', soft.has(i));
    e.classList.remove('lit', 'cursor');
    Object.assign(e.style, {transform: `translate(${Math.round(c.x)}px,${Math.round(c.y)}px)`, width: `${Math.round(c.w)}px`, height: `${c.h}px`});
    if (fresh) { e.classList.add('fresh'); scene.append(e); requestAnimationFrame(() => e.classList.remove('fresh')); }
  }
  scene.classList.remove('dimmed');
}

const port = (c, column) => c.y + (c.ports && column !== ROW && c.ports.has(column) ? c.ports.get(column) : Math.min(c.h, HEAD) / 2);
function curve(a, b, ya, yb) {
  if (b.x >= a.x + a.w - 2) {
    const x1 = a.x + a.w, x2 = b.x, bend = Math.max(22, Math.min(120, (x2 - x1) * 0.48));
    return `M${x1} ${ya}C${x1 + bend} ${ya} ${x2 - bend} ${yb} ${x2} ${yb}`;
  }
  const x1 = a.x + a.w, x2 = b.x + b.w, bend = 26 + Math.min(34, Math.abs(yb - ya) * 0.12);
  return `M${x1} ${ya}C${Math.max(x1, x2) + bend} ${ya} ${Math.max(x1, x2) + bend} ${yb} ${x2} ${yb}`;
}

// All wires of the overview in two paths: thousands cost as little as one.
function wireAll(layout) {
  const parts = {value: [], rows: []};
  for (const i of layout.cards.keys()) for (const j of TABLES[i].inputs) {
    const from = visible(layout, j), b = layout.cards.get(i);
    if (from === undefined || from === i) continue;
    const a = layout.cards.get(from);
    (TABLES[i].flowsIn.has(j) ? parts.value : parts.rows).push(curve(a, b, port(a, ROW), port(b, ROW)));
  }
  $('wires').replaceChildren(
    svg('path', {class: 'wire faint rows', d: parts.rows.join('')}),
    svg('path', {class: 'wire faint', d: parts.value.join('')}),
    svg('path', {class: 'wire lit rows', id: 'lit-rows', d: ''}),
    svg('path', {class: 'wire lit', id: 'lit', d: ''}));
}
const visible = (layout, j) => layout.cards.has(j) ? j : undefined;

// One path a link, coloured by its kind; links of one course are drawn once.
function wireLinks(layout, links) {
  const made = new Map();
  for (const l of links) {
    const a = layout.cards.get(tableOf(l.s)), b = layout.cards.get(tableOf(l.t));
    if (!a || !b || a === b) continue;
    const d = curve(a, b, port(a, columnOf(l.s)), port(b, columnOf(l.t)));
    const key = `${d}|${l.k}`, old = made.get(key);
    if (old) { old.links.push(l); continue; }
    made.set(key, {d, k: l.k, links: [l]});
  }
  const paths = [];
  for (const one of [...made.values()].sort((x, y) => y.k - x.k)) {
    const e = svg('path', {class: `wire kind-${KIND_NAMES[one.k]}${one.k > LAST_VALUE ? ' rows' : ''}`, d: one.d});
    e.links = one.links;
    const wide = svg('path', {class: 'feel', d: one.d});
    wide.links = one.links;
    paths.push(e, wide);
  }
  $('wires').style.setProperty('--dense', paths.length > 300 ? '.45' : '.8');
  $('wires').replaceChildren(...paths);
}

// In the overview: what hangs on a table (or several), lit along with the wires between.
function lightTables(sets) {
  const scene = $('scene');
  if (!sets) { scene.classList.remove('dimmed'); for (const e of CARDS.values()) e.classList.remove('lit'); $('lit')?.setAttribute('d', ''); $('lit-rows')?.setAttribute('d', ''); return; }
  const lit = new Set(sets.flatMap((one) => [...one]));
  scene.classList.add('dimmed');
  for (const [i, e] of CARDS) e.classList.toggle('lit', lit.has(i));
  const d = [];
  for (const one of sets) for (const i of one) for (const j of TABLES[i].flowsIn) {
    if (!one.has(j) || !drawn.cards.has(i) || !drawn.cards.has(j)) continue;
    const a = drawn.cards.get(j), b = drawn.cards.get(i);
    d.push(curve(a, b, port(a, ROW), port(b, ROW)));
  }
  $('lit').setAttribute('d', d.join(''));
}

// Around a choice: only the wires and columns on the ways of one column.
function lightColumn(s) {
  const scene = $('scene'), wires = $('wires');
  for (const e of document.querySelectorAll('.column.lit,.card.lit')) e.classList.remove('lit');
  if (s === null) { scene.classList.remove('traced'); for (const e of wires.children) e.classList.remove('on'); return; }
  const up = ways([s], 'up', {deciding}), down = ways([s], 'down', {deciding});
  const on = new Set([...up.links, ...down.links]);
  scene.classList.add('traced');
  for (const e of wires.children) e.classList.toggle('on', e.links.some((l) => on.has(l)));
  for (const at of [...up.far.keys(), ...down.far.keys()]) {
    const card = CARDS.get(tableOf(at));
    if (!card) continue;
    card.classList.add('lit');
    card.querySelector(`.column[data-column="${columnOf(at)}"]`)?.classList.add('lit');
  }
}
