// The page's state is in its address: #table, or #table.column. Everything else follows from it.
let deciding = remembered('deciding', '') === 'yes', reach = 0, raw = remembered('raw', 'yes') === 'yes';
const SMALLEST = 0.85;
let scale = 1;
let chosen = null, column = null, department = null, cursor = null;
const hashOf = (table, c) => `#${encodeURIComponent(TABLES[table].full + (c === null || c === undefined ? '' : `.${TABLES[table].columns[c].name}`))}`;
const hashOfDepartment = (name) => `#${encodeURIComponent(`@${name}`)}`;
const go = (hash) => { if (location.hash === hash || (hash === '' && !location.hash)) draw(); else location.hash = hash; };

function read() {
  const said = decodeURIComponent(location.hash.slice(1)), [layer, name, ...rest] = said.split('.');
  const t = BY_NAME.get(`${layer}.${name}`);
  chosen = t ? t.i : null;
  department = said[0] === '@' && DATA.departments.includes(said.slice(1)) ? said.slice(1) : null;
  const at = t && rest.length ? t.columns.findIndex((c) => c.name === rest.join('.')) : -1;
  column = at >= 0 ? at : null;
}

function draw() {
  read();
  $('scene').classList.toggle('focused', chosen !== null);
  document.body.classList.toggle('focused', chosen !== null);
  if (department !== null) { describeDepartment(department); drawOverview(); lightTables(ofDepartment(department)); }
  else if (chosen === null) { $('panel').hidden = true; drawOverview(); } else { describe(TABLES[chosen], column); drawFocus(); }
  bar();
  $('tip').hidden = true;
}
const feedsOf = (name) => TABLES.filter((t) => t.department === name && t.layerName === 'silver');
const ofDepartment = (name) => feedsOf(name).map((t) => flow(t.i, 'down'));
// What is lit when the pointer is nowhere: the department that was chosen, if one was.
const rest = () => lightTables(department === null ? null : ofDepartment(department));
function size() { const s = $('scroll'); return [s.clientWidth, s.clientHeight]; }
function drawOverview() {
  const [w, h] = size();
  const layers = DATA.layers.map(([name]) => name).filter((name) => name !== 'landing' && name !== 'bronze');
  const layout = overview(w, h, layers);
  scale = 1;
  show(layout);
  wireAll(layout);
  cursor = null;
}
function drawFocus() {
  const [w, h] = size();
  const starts = startsOf(chosen, column);
  const up = ways(starts, 'up', {reach, deciding}), down = ways(starts, 'down', {reach, deciding});
  let links = new Set([...up.links, ...down.links]);
  const hides = (i) => !raw && i !== chosen && (TABLES[i].layerName === 'landing' || TABLES[i].layerName === 'bronze');
  const shown = new Map(), include = (s) => {
    const i = tableOf(s), c = columnOf(s);
    if (hides(i)) return;
    if (!shown.has(i)) shown.set(i, new Set());
    if (c !== ROW && (i === chosen || column !== null || !isTechnical(i, c))) shown.get(i).add(c);
  };
  starts.forEach(include);
  for (const l of links) { include(l.s); include(l.t); }
  if (column !== null) TABLES[chosen].columns.forEach((c, j) => { if (!c.name.startsWith('_')) include(spot(chosen, j)); });
  const columns = new Map([...shown].map(([i, set]) => [i, [...set].filter((c) => !TABLES[i].columns[c].name.startsWith('_record') || (i === chosen && c === column)).filter((c) => i !== chosen || c === column || !isTechnical(i, c)).sort((a, b) => a - b)]));
  const inner = (s) => TABLES[tableOf(s)].columns[columnOf(s)]?.name === '_record_hash' && !starts.includes(s);
  // Rows that are rows of each other need no wire where a column already has one.
  const joined = new Set([...links].filter((l) => !l.rows).map((l) => tableOf(l.s) * SIZE + tableOf(l.t)));
  links = [...links].filter((l) => !(l.rows && joined.has(tableOf(l.s) * SIZE + tableOf(l.t))) && !inner(l.t) && (column !== null || !isTechnical(tableOf(l.t), columnOf(l.t))));
  const joins = new Set(links.flatMap((l) => [tableOf(l.s), tableOf(l.t)]));
  for (const i of columns.keys()) if (i !== chosen && !joins.has(i)) columns.delete(i);
  // What is only a little too wide is shown a little smaller.
  let layout = around(columns, links, w, h, chosen);
  const small = w / layout.width;
  scale = small < 1 && small >= SMALLEST ? small : 1;
  if (scale < 1) layout = around(columns, links, Math.floor(w / scale) - 1, Math.floor(h / scale) - 1, chosen);
  const marked = new Set(column === null ? [] : [spot(chosen, column)]);
  const firm = new Set([...ways(starts, 'up', {reach}).far.keys(), ...ways(starts, 'down', {reach}).far.keys()].map(tableOf));
  show(layout, {marked, chosen, soft: new Set([...columns.keys()].filter((i) => !firm.has(i)))});
  wireLinks(layout, links);
  focusOn(layout);
}
function focusOn(layout) {
  const s = $('scroll'), c = layout.cards.get(chosen);
  const y = column === null ? c.y + Math.min(c.h, s.clientHeight / scale) / 2 : c.y + (c.ports.get(column) ?? 0);
  s.scrollTo({left: Math.max(0, (c.x + c.w / 2) * scale - s.clientWidth / 2), top: Math.max(0, y * scale - s.clientHeight / 2)});
}

function bar() {
  const e = $('bar');
  e.replaceChildren();
  if (chosen === null && department === null) {
    const feeds = TABLES.filter((t) => t.layerName === 'landing').length;
    const made = TABLES.filter((t) => t.layerName !== 'landing' && t.layerName !== 'ops');
    const p = make('p', 'intro');
    p.append(make('b', '', say('intro')({feeds: number(feeds), tables: number(made.length), columns: number(DATA.coverage[1])})), ` · ${say('covered')(...DATA.coverage)}　`, make('span', 'quiet', say('lead')));
    e.append(p);
    if (DATA.refused.length) { const b = make('button', 'refused', say('refused')(DATA.refused.length)); b.type = 'button'; b.onclick = () => told(say('refused')(DATA.refused.length), DATA.refused); e.append(b); }
  } else {
    const p = make('p', 'path'), home = make('a', '', `← ${say('all')}`);
    home.href = '#'; p.append(home, make('span', 'sep', '/'));
    if (department !== null) { p.append(make('b', '', department)); e.append(p); return; }
    const t = TABLES[chosen];
    const a = make('a', '', tableTitle(t)); a.href = hashOf(chosen, null); p.append(a);
    if (column !== null) p.append(make('span', 'sep', '/'), make('b', '', columnTitle(t.columns[column])));
    e.append(p, legend(), controls());
  }
}
function legend() {
  const e = make('div', 'legend');
  KIND_NAMES.forEach((name, k) => {
    if (k > LAST_VALUE && !deciding) return;
    const s = make('span', `kind kind-${name}${k > LAST_VALUE ? ' rows' : ''}`);
    s.append(make('i'), kindTitle(k));
    e.append(s);
  });
  const dot = make('span', 'kind dot', say('personal'));
  e.append(dot);
  return e;
}
function controls() {
  const e = make('div', 'controls');
  const toggle = (word, on, act, key) => { const b = make('button', `toggle${on ? ' on' : ''}`, word); b.type = 'button'; b.title = key; b.setAttribute('aria-pressed', on); b.onclick = act; return b; };
  const steps = make('span', 'steps');
  steps.append(make('label', '', say('depth')), ...[1, 2, 3, 0].map((n) => toggle(n || say('end'), reach === n, () => setReach(n), `${n}`)));
  e.append(steps, toggle(say('deciding'), deciding, setDeciding, 'C'), toggle(say('raw'), raw, setRaw, 'R'));
  return e;
}
const setReach = (n) => { reach = n; draw(); };
const setDeciding = () => { deciding = !deciding; remember('deciding', deciding ? 'yes' : ''); draw(); };
const setRaw = () => { raw = !raw; remember('raw', raw ? 'yes' : ''); draw(); };

function tools() {
  $('home').replaceChildren(make('b', '', say('brand')), make('span', '', ` ${DATA.site.name}`), make('small', '', `${DATA.site.code} · ${say('made_at')} ${DATA.at}`));
  $('search').placeholder = say('find');
  $('tools').replaceChildren(...[['◐', say('theme'), theme], [say('lang'), 'L', language], ['?', say('help'), help]].map(([sign, title, act]) => {
    const b = make('button', '', sign); b.type = 'button'; b.title = title; b.setAttribute('aria-label', title); b.onclick = act; return b;
  }));
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
}
function theme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  remember('theme', document.documentElement.dataset.theme);
}
function language() { lang = lang === 'zh' ? 'en' : 'zh'; remember('lang', lang); tools(); draw(); }
function help() {
  const d = $('help');
  d.replaceChildren(make('h2', '', say('help')), facts(say('keys')));
  for (const dt of d.querySelectorAll('dt')) { const k = make('kbd', '', dt.textContent); dt.replaceChildren(k); }
  d.append(make('p', 'quiet', say('nocell')));
  d.onclick = () => d.close();
  d.showModal();
}

function told(title, sentences) {
  const d = $('help');
  d.replaceChildren(make('h2', '', title), ...sentences.map((one) => make('p', '', one)));
  d.onclick = () => d.close();
  d.showModal();
}

// Search
let hits = [], at = 0;
function seek() {
  hits = search($('search').value); at = 0;
  const box = $('found');
  box.replaceChildren();
  box.hidden = !$('search').value.trim();
  $('search').setAttribute('aria-expanded', String(!box.hidden));
  if (!hits.length) box.append(make('p', 'quiet', say('none')));
  hits.forEach((one, j) => { const a = one.department ? linkToDepartment(one.department) : linkTo(one.t, one.c); a.setAttribute('role', 'option'); a.prepend(make('span', 'chip', one.department ? say('department') : layerTitle(TABLES[one.t].layerName))); if (!one.department && TABLES[one.t].department && one.c === null) a.append(make('i', '', TABLES[one.t].department)); a.onmousedown = (e) => { e.preventDefault(); pick(j); }; box.append(a); });
  point(0);
}
function point(j) { at = Math.max(0, Math.min(hits.length - 1, j)); [...$('found').children].forEach((e, k) => { e.setAttribute('aria-selected', String(k === at)); if (k === at) e.scrollIntoView({block: 'nearest'}); }); }
function pick(j) { const one = hits[j]; if (!one) return; leave(); go(one.department ? hashOfDepartment(one.department) : hashOf(one.t, one.c)); }
function leave() { $('search').value = ''; $('found').hidden = true; $('search').setAttribute('aria-expanded', 'false'); $('search').blur(); }
$('search').oninput = seek;
$('search').onblur = () => { $('found').hidden = true; };
$('search').onfocus = () => { if ($('search').value) seek(); };
$('search').onkeydown = (e) => {
  if (e.key === 'ArrowDown') point(at + 1); else if (e.key === 'ArrowUp') point(at - 1); else if (e.key === 'Enter') pick(at); else if (e.key === 'Escape') leave(); else return;
  e.preventDefault(); e.stopPropagation();
};

// Pointer
const overCard = (e) => e.target.closest('.card');
$('scene').addEventListener('click', (e) => {
  const b = e.target.closest('.column'), card = overCard(e), group = e.target.closest('.group');
  if (b) go(hashOf(+b.dataset.table, +b.dataset.column));
  else if (card) go(hashOf(+card.dataset.table, null));
  else if (group?.dataset.department) go(hashOfDepartment(group.dataset.department));
  else if (department !== null && !card) go('');
});
$('scene').addEventListener('pointerover', (e) => {
  const card = overCard(e), group = e.target.closest('.group'), b = e.target.closest('.column');
  if (chosen === null) {
    if (card) light(+card.dataset.table);
    else if (group?.dataset.department) lightTables(ofDepartment(group.dataset.department));
    else rest();
  } else if (e.target.classList.contains('feel')) tip(e.target.links, e); else {
    $('tip').hidden = true;
    lightColumn(b ? spot(+b.dataset.table, +b.dataset.column) : null);
  }
});
$('scene').addEventListener('pointerleave', () => { $('tip').hidden = true; if (chosen === null) rest(); else lightColumn(null); });
const light = (i) => lightTables([flow(i, 'up'), flow(i, 'down')]);
function tip(links, e) {
  const l = links[0], name = (s) => { const t = TABLES[tableOf(s)], c = columnOf(s); return `${tableTitle(t)} · ${c === ROW ? say('rowsOf') : columnTitle(t.columns[c])}`; };
  const box = $('tip');
  box.replaceChildren(make('b', `kind-${KIND_NAMES[l.k]}`, kindTitle(l.k)), make('div', '', `${name(l.s)} → ${name(l.t)}`));
  const by = [...new Set(links.flatMap((one) => one.by))];
  if (by.length) box.append(make('div', 'mono', by.slice(0, 10).join('  ') + (by.length > 10 ? ' …' : '')));
  box.hidden = false;
  box.style.left = `${Math.min(e.clientX + 14, innerWidth - box.offsetWidth - 12)}px`;
  box.style.top = `${Math.min(e.clientY + 14, innerHeight - box.offsetHeight - 12)}px`;
}

// Keyboard
function step(direction) {
  if (chosen === null) { wander(direction); return; }
  const t = TABLES[chosen];
  if (direction === 'down' || direction === 'up') {
    const list = t.columns.map((_, j) => j).filter((j) => !isTechnical(chosen, j)), i = column === null ? -1 : list.indexOf(column);
    const next = direction === 'down' ? i + 1 : i - 1;
    go(next < 0 ? hashOf(chosen, null) : hashOf(chosen, list[Math.min(next, list.length - 1)]));
    return;
  }
  const map = direction === 'left' ? UP : DOWN;
  if (column !== null) {
    const l = (map.get(spot(chosen, column)) || []).find(isValue);
    if (l) { const s = direction === 'left' ? l.s : l.t; go(hashOf(tableOf(s), columnOf(s) === ROW ? null : columnOf(s))); }
  } else { const next = [...(direction === 'left' ? t.flowsIn : t.flowsOut)][0]; if (next !== undefined) go(hashOf(next, null)); }
}
function wander(direction) {
  const cards = [...drawn.cards], here = cursor === null ? null : drawn.cards.get(cursor);
  let best = null;
  for (const [i, c] of cards) {
    if (i === cursor) continue;
    const dx = here ? c.x - here.x : c.x, dy = here ? c.y - here.y : c.y;
    const fits = !here || (direction === 'down' ? dy > 0 && Math.abs(dx) < 4 : direction === 'up' ? dy < 0 && Math.abs(dx) < 4 : direction === 'right' ? dx > 4 : dx < -4);
    if (!fits) continue;
    const cost = direction === 'down' || direction === 'up' ? Math.abs(dy) : Math.abs(dx) * 4 + Math.abs(dy);
    if (!best || cost < best[0]) best = [cost, i];
  }
  if (!best) return;
  cursor = best[1];
  for (const [i, e] of CARDS) e.classList.toggle('cursor', i === cursor);
  CARDS.get(cursor).scrollIntoView({block: 'nearest', inline: 'nearest'});
  light(cursor);
}
document.addEventListener('keydown', (e) => {
  if (e.target === $('search') || e.ctrlKey || e.metaKey || e.altKey || $('help').open) return;
  const act = {
    '/': () => $('search').focus(), ArrowDown: () => step('down'), ArrowUp: () => step('up'), ArrowLeft: () => step('left'), ArrowRight: () => step('right'),
    Enter: () => { if (chosen === null && cursor !== null) go(hashOf(cursor, null)); else return 'pass'; },
    Escape: () => go(column !== null ? hashOf(chosen, null) : ''), c: setDeciding, r: setRaw, t: theme, l: language, '?': help,
    1: () => setReach(1), 2: () => setReach(2), 3: () => setReach(3), 0: () => setReach(0),
  }[e.key.length === 1 ? e.key.toLowerCase() : e.key];
  if (act && act() !== 'pass') e.preventDefault();
});

const kept = remembered('theme', '');
if (kept) document.documentElement.dataset.theme = kept;
addEventListener('hashchange', draw);
let waiting = 0;
addEventListener('resize', () => { clearTimeout(waiting); waiting = setTimeout(draw, 120); });
tools();
draw();
