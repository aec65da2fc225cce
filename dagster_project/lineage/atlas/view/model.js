// Tables, columns and edges, and the ways through them. It draws nothing.
const DATA = JSON.parse(document.getElementById('data').textContent);
const KIND = Object.fromEntries(DATA.kinds.map(([name], i) => [name, i]));
const LAST_VALUE = KIND.aggregation;          // up to here values flow; beyond, rows are decided
const LAYER = Object.fromEntries(DATA.layers.map(([name], i) => [name, i]));
const ROW = -1;
const SIZE = 2048;                            // a spot is one number: table and column
const spot = (table, column) => table * SIZE + column + 1;
const tableOf = (s) => Math.floor(s / SIZE);
const columnOf = (s) => s % SIZE - 1;

const TABLES = DATA.tables.map((t, i) => {
  const [layer, name] = [t.t.slice(0, t.t.indexOf('.')), t.t.slice(t.t.indexOf('.') + 1)];
  return {i, full: t.t, name, layer: LAYER[layer], layerName: layer, title: t.z || name, level: t.l || '', rows: t.n,
    at: t.a || '', department: t.d >= 0 ? DATA.departments[t.d] : '', version: t.v || '', key: new Set(t.k || []),
    path: t.p || '', contract: t.f || '', text: t.x || '', sql: t.s || '', edges: t.e || [],
    columns: t.c.map(([name, title = '', type = '', level = '', unit = '', text = '']) => ({name, title, type, level, unit, text})),
    inputs: new Set(), outputs: new Set(), flowsIn: new Set(), flowsOut: new Set(), all: []};
});
const BY_NAME = new Map(TABLES.map((t) => [t.full, t]));
const UP = new Map(), DOWN = new Map();       // spot -> links
const push = (map, key, value) => { const list = map.get(key); if (list) list.push(value); else map.set(key, [value]); };

for (const t of TABLES) {
  for (const [column, source, sourceColumn, kind, by] of t.edges) {
    const link = {s: spot(source, sourceColumn), t: spot(t.i, column < ROW ? ROW : column), k: kind, by: (by || []).map((i) => DATA.acts[i])};
    if (source === t.i) continue;
    t.inputs.add(source); TABLES[source].outputs.add(t.i);
    if (kind <= LAST_VALUE) { t.flowsIn.add(source); TABLES[source].flowsOut.add(t.i); }
    push(UP, link.t, link); push(DOWN, link.s, link);
  }
  delete t.edges;
}
// Where rows are counted, they are the rows of what the table is made from.
for (const t of TABLES) {
  const same = [...t.flowsIn].filter((i) => TABLES[i].name === t.name);
  for (const source of same.length ? same : t.flowsIn) {
  const link = {s: spot(source, ROW), t: spot(t.i, ROW), k: KIND.identity, by: [], rows: true};
  push(UP, link.t, link); push(DOWN, link.s, link);
  }
}
const isValue = (link) => link.k <= LAST_VALUE;
const isTechnical = (t, c) => c >= 0 && TABLES[t].columns[c].name.startsWith('_');

// Every spot on the ways of some spots, with the links between them.
function ways(starts, direction, {reach = 0, deciding = false} = {}) {
  const up = direction === 'up', edges = up ? UP : DOWN;
  const far = new Map(starts.map((s) => [s, 0])), queue = [...starts], links = new Set();
  const soft = new Set();                     // reached over a condition: only values go on from here
  for (const at of queue) {
    const d = far.get(at);
    if (reach && d >= reach) continue;
    const outer = edges.get(at) || [];
    // Conditions of the whole table hold for each of its columns.
    const whole = deciding && up && columnOf(at) !== ROW && !soft.has(at) ? (UP.get(spot(tableOf(at), ROW)) || []).filter((l) => !isValue(l)) : [];
    for (const link of [...outer, ...whole]) {
      const value = isValue(link);
      if (!value && (!deciding || soft.has(at))) continue;
      const next = up ? link.s : link.t;
      links.add(link);
      if (far.has(next)) continue;
      far.set(next, d + 1);
      if (!value || soft.has(at)) soft.add(next);
      if (value || up) queue.push(next);
    }
  }
  return {far, links, soft};
}

// Tables that hang on a table, along values only or along anything.
function tableWays(start, direction, any = false) {
  const seen = new Set([start]), queue = [start];
  for (const i of queue) for (const j of TABLES[i][direction === 'up' ? (any ? 'inputs' : 'flowsIn') : (any ? 'outputs' : 'flowsOut')]) {
    if (!seen.has(j)) { seen.add(j); queue.push(j); }
  }
  return seen;
}

// Tables into which values of a table flow (or out of which they come), column by column.
const FLOWS = new Map();
function flow(i, direction) {
  const key = `${direction}${i}`;
  if (!FLOWS.has(key)) FLOWS.set(key, new Set([...ways(startsOf(i, null), direction).far.keys()].map(tableOf)));
  return FLOWS.get(key);
}

function startsOf(table, column) {
  if (column !== null) return [spot(table, column)];
  return [...TABLES[table].columns.keys()].map((c) => spot(table, c)).concat(spot(table, ROW));
}

// What is found for some words: each must stand in the title, name or department.
const INDEX = DATA.departments.map((name) => ({department: name, text: name.toLowerCase(), main: name}));
for (const t of TABLES) {
  INDEX.push({t: t.i, c: null, text: `${t.title} ${t.full} ${t.department}`.toLowerCase(), main: t.title});
  t.columns.forEach((c, j) => { if (!c.name.startsWith('_')) INDEX.push({t: t.i, c: j, text: `${c.title} ${c.name} ${t.title} ${t.full}`.toLowerCase(), main: c.title || c.name}); });
}
const PREFERRED = ['report', 'city', 'gold', 'silver', 'ops', 'bronze', 'landing'];
function search(words, most = 40) {
  const terms = words.toLowerCase().split(/[\s.]+/).filter(Boolean);
  if (!terms.length) return [];
  const scored = [];
  for (const one of INDEX) {
    if (!terms.every((term) => one.text.includes(term))) continue;
    if (one.department) { scored.push([-40, one]); continue; }
    const t = TABLES[one.t], name = one.c === null ? t.name : t.columns[one.c].name, main = one.main.toLowerCase();
    let score = PREFERRED.indexOf(t.layerName) + (one.c === null ? 0 : 8);
    if (terms.some((term) => main === term || name === term)) score -= 30;
    else if (terms.some((term) => main.startsWith(term) || name.startsWith(term))) score -= 12;
    else if (!terms.some((term) => main.includes(term) || name.includes(term))) score += 20;
    scored.push([score, one]);
  }
  return scored.sort((a, b) => a[0] - b[0]).slice(0, most).map(([, one]) => one);
}
