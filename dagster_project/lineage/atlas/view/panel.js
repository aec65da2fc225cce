// What is said of a choice, at the right: in words, with everything that can be opened from there.
function describe(t, column) {
  const panel = $('panel');
  panel.replaceChildren();
  panel.hidden = false;
  const close = make('button', 'close', '×');
  close.type = 'button'; close.title = say('close'); close.onclick = () => go('');
  panel.append(close, crumb(t));
  if (column === null) describeTable(panel, t); else describeColumn(panel, t, column);
  panel.append(make('p', 'quiet', say('nocell')));
  panel.scrollTop = 0;
}
// A department: what it delivers, and which reports and city tables hang on that, by values or by rows.
function describeDepartment(name) {
  const panel = $('panel'), feeds = feedsOf(name);
  panel.replaceChildren();
  panel.hidden = false;
  const close = make('button', 'close', '×');
  close.type = 'button'; close.title = say('close'); close.onclick = () => go('');
  panel.append(close, make('div', 'crumb', say('department')), make('h2', '', name));
  section(panel, `${say('feeds')} ${feeds.length}`, list(feeds.map((t) => linkTo(t.i, null, t.rows === undefined ? '' : short(t.rows)))));
  const values = new Set(feeds.flatMap((t) => [...flow(t.i, 'down')])), any = new Set(feeds.flatMap((t) => [...tableWays(t.i, 'down', true)]));
  for (const layer of ['report', 'city']) {
    const of = (set) => [...set].filter((i) => TABLES[i].layerName === layer);
    const soft = of(any).filter((i) => !values.has(i));
    if (of(values).length) section(panel, `${layerTitle(layer)} ${of(values).length} · ${say('byValues')}`, list(of(values).map((i) => linkTo(i, null))));
    if (soft.length) section(panel, `${layerTitle(layer)} ${soft.length} · ${say('byRows')}`, list(soft.map((i) => linkTo(i, null))));
  }
  const unused = feeds.filter((t) => ![...tableWays(t.i, 'down', true)].some((i) => ['report', 'city'].includes(TABLES[i].layerName)));
  if (unused.length) section(panel, say('unused'), list(unused.map((t) => linkTo(t.i, null))));
  section(panel, say('line'), commandLine(`countylake lineage department ${name}`));
  panel.append(make('p', 'quiet', say('nocell')));
  panel.scrollTop = 0;
}
function linkToDepartment(name) {
  const a = make('a', 'jump');
  a.href = hashOfDepartment(name);
  a.append(make('b', '', name), make('span', 'sub', feedsOf(name).map((t) => tableTitle(t)).join('、')));
  return a;
}
function crumb(t) {
  const e = make('div', `crumb layer-${t.layerName}`);
  e.append(make('span', 'chip', layerTitle(t.layerName)));
  if (t.department) { const a = make('a', 'department', t.department); a.href = hashOfDepartment(t.department); e.append(a); }
  return e;
}
function facts(pairs) {
  const dl = make('dl');
  for (const [name, value] of pairs) if (value !== '' && value !== undefined && value !== null) { const dd = make('dd'); dd.append(value); dl.append(make('dt', '', name), dd); }
  return dl;
}
function section(panel, title, ...parts) {
  if (!parts.length) return;
  const e = make('section');
  e.append(make('h3', '', title), ...parts);
  panel.append(e);
}
const levelMark = (level) => { const e = make('span', `level ${level}`, level); if (level >= 'L3') e.append(` ${say('personal')}`); return e; };
function linkTo(table, column, note = '') {
  const t = TABLES[table], a = make('a', `jump layer-${t.layerName}`);
  a.href = hashOf(table, column === ROW ? null : column);
  if (column !== null && column !== ROW) { const c = t.columns[column]; a.append(make('b', '', columnTitle(c)), make('span', 'sub', `${lang === 'zh' ? t.title : ''} ${t.full}.${c.name}`)); }
  else a.append(make('b', '', tableTitle(t) + (column === ROW ? ` ${say('rowsOf')}` : '')), make('span', 'sub', tableSub(t)));
  if (note) a.append(make('i', '', note));
  return a;
}
function list(items, most = 12) {
  const box = make('div', 'list');
  box.append(...items.slice(0, most));
  if (items.length > most) {
    const more = make('button', 'more', `+${items.length - most} ${say('more')}`);
    more.type = 'button';
    more.onclick = () => more.replaceWith(...items.slice(most));
    box.append(more);
  }
  return box;
}
function describeTable(panel, t) {
  panel.append(make('h2', '', tableTitle(t)), make('p', 'mono', t.full));
  if (t.text) panel.append(make('p', 'text', t.text));
  panel.append(facts([
    [t.layerName === 'landing' ? say('files') : say('rows'), t.rows === undefined ? '' : number(t.rows)], [say('at'), t.at],
    [say('level'), t.level ? levelMark(t.level) : ''], [say('version'), t.version],
    [say('key'), [...t.key].map((c) => columnTitle(t.columns[c])).join(' · ')]]));
  section(panel, `${say('source')}`, ...(t.flowsIn.size ? [list([...t.flowsIn].map((i) => linkTo(i, null)))] : [make('p', 'quiet', say('nothingUp'))]));
  const soft = [...t.inputs].filter((i) => !t.flowsIn.has(i));
  if (soft.length) section(panel, say('decided'), list(soft.map((i) => linkTo(i, null)), 5));
  section(panel, say('goes'), ...(t.outputs.size ? [list([...t.outputs].map((i) => linkTo(i, null, t.flowsOut && TABLES[i].flowsIn.has(t.i) ? '' : say('deciding'))))] : [make('p', 'quiet', say('nothingDown'))]));
  reached(panel, flow(t.i, 'down'), t.i);
  const rows = t.columns.map((c, j) => [c, j]).filter(([c]) => !c.name.startsWith('_')).map(([c, j]) => {
    const a = make('a', 'field'); a.href = hashOf(t.i, j);
    a.append(make('b', '', columnTitle(c)), make('span', 'sub', columnSub(c)), make('i', '', [c.type, c.unit].filter(Boolean).join(' ')));
    if (c.level >= 'L3') a.classList.add('personal');
    return a;
  });
  section(panel, `${say('columns')} ${rows.length}`, list(rows, 60));
  text(panel, t);
}
function describeColumn(panel, t, column) {
  const c = t.columns[column], at = spot(t.i, column);
  panel.append(make('h2', '', columnTitle(c)), make('p', 'mono', `${t.full}.${c.name}`));
  if (c.text) panel.append(make('p', 'text', c.text));
  panel.append(facts([[say('whole'), linkTo(t.i, null)], ['', ''], [lang === 'zh' ? '类型' : 'type', [c.type, c.unit].filter(Boolean).join('　')], [say('level'), c.level ? levelMark(c.level) : '']]));
  const direct = (UP.get(at) || []).filter(isValue);
  section(panel, say('made'), direct.length ? story(at) : make('p', 'quiet', t.layerName === 'landing' || t.layerName === 'ops' ? say('nothingUp') : say('constant')));
  const deciding = new Map();
  for (const s of [at, spot(t.i, ROW)]) for (const l of UP.get(s) || []) if (!isValue(l)) push(deciding, l.s, l.k);
  if (deciding.size) section(panel, say('decided'), list([...deciding].map(([s, kinds]) => linkTo(tableOf(s), columnOf(s), [...new Set(kinds)].map(kindTitle).join(' · '))), 5));
  const out = (DOWN.get(at) || []).filter((l) => isValue(l) && !isTechnical(tableOf(l.t), columnOf(l.t)));
  section(panel, say('goes'), ...(out.length ? [list(out.map((l) => linkTo(tableOf(l.t), columnOf(l.t), kindTitle(l.k))))] : [make('p', 'quiet', say('nothingDown'))]));
  const decides = new Map();
  for (const l of DOWN.get(at) || []) if (!isValue(l)) push(decides, tableOf(l.t), l.k);
  if (decides.size) section(panel, say('decides'), list([...decides].map(([i, kinds]) => linkTo(i, null, [...new Set(kinds)].map(kindTitle).join(' · '))), 5));
  reached(panel, new Set([...ways([at], 'down').far.keys()].map(tableOf)), t.i);
  command(panel, t, c);
  text(panel, t);
}
// From the file to here, a step a line: what each table makes of it, and by which repairs and rules.
function story(at) {
  const box = make('ol', 'story');
  const {far, links} = ways([at], 'up');
  const steps = [...far.entries()].sort((a, b) => b[1] - a[1]);
  const shownSteps = steps.length > 14 ? steps.slice(-14) : steps;
  if (steps.length > 14) box.append(make('li', 'quiet', `+${steps.length - 14} ${say('more')}`));
  for (const [s] of shownSteps) {
    const li = make('li', `layer-${TABLES[tableOf(s)].layerName}`);
    li.append(linkTo(tableOf(s), columnOf(s)));
    const into = [...links].filter((l) => l.t === s);
    const kinds = [...new Set(into.map((l) => kindTitle(l.k)))].join(' · ');
    if (kinds) li.append(make('em', '', kinds));
    const by = [...new Set(into.flatMap((l) => l.by))];
    if (by.length) { const d = make('details'); d.append(make('summary', '', `${say('repairs')} ${by.length}`), make('p', 'mono', by.join('  '))); li.append(d); }
    box.append(li);
  }
  return box;
}
function reached(panel, tables, own) {
  const reports = [...tables].filter((i) => i !== own && TABLES[i].layerName === 'report');
  if (reports.length) section(panel, `${say('reports')} ${reports.length}`, list(reports.map((i) => linkTo(i, null)), 6));
}
function command(panel, t, c) {
  const lines = [`countylake lineage up ${t.full}.${c.name}`];
  if (t.layerName === 'report' || t.layerName === 'gold') lines.push(`countylake trace ${t.full} --column ${c.name} --where …`);
  if (['landing', 'bronze', 'silver'].includes(t.layerName)) lines.push(`countylake lineage without ${t.name}.${c.name}`);
  section(panel, say('line'), ...lines.map(commandLine));
}
function commandLine(line) {
  const box = make('div', 'command'), button = make('button', '', say('copy'));
  button.type = 'button';
  button.onclick = () => { copy(line); button.textContent = say('copied'); };
  box.append(make('code', '', line), button);
  return box;
}
function copy(line) {
  const area = make('textarea');
  area.value = line; document.body.append(area); area.select(); document.execCommand('copy'); area.remove();
}
function text(panel, t) {
  if (!t.sql) return;
  const d = make('details', 'sql');
  d.append(make('summary', '', `${say('sql')}　${t.path}`), make('pre', '', t.sql));
  panel.append(d);
}
