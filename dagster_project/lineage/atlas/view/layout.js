// Where cards stand: in the overview by layer, around a choice by layer and by distance.
const GAP = 12, HEAD = 34, LINE = 21, SMALL = 30, TITLE = 22;

// The overview: every table of some layers; a layer takes more columns while there is room.
function overview(width, height, layers) {
  const groups = layers.map((name) => ({name, blocks: blocksOf(name), columns: 1})).filter((g) => g.blocks.length);
  const least = 128, tall = (g) => g.blocks.reduce((sum, b) => sum + b.height, 0) / g.columns;
  for (;;) {
    const most = groups.filter((g) => g.columns < 4).sort((a, b) => tall(b) - tall(a))[0];
    const count = groups.reduce((sum, g) => sum + g.columns, 0);
    if (!most || tall(most) <= height - 64 || (count + 1) * (least + 18) > Math.max(width, 1240)) break;
    most.columns += 1;
  }
  const count = groups.reduce((sum, g) => sum + g.columns, 0);
  const between = Math.max(30, Math.min(74, (width - 60) / count * 0.3)), within = 14;
  const gaps = (groups.length - 1) * between + (count - groups.length) * within;
  const w = Math.max(least, Math.min(232, (width - 68 - gaps) / count));
  const cards = new Map(), heads = [], bands = [];
  let x = Math.max(20, (width - 28 - (count * w + gaps)) / 2), deepest = 0;
  for (const g of groups) {
    const from = x, share = tall(g);
    let y = 48, column = 0;
    for (const b of g.blocks) {
      if (column < g.columns - 1 && y > 48 && y + b.height / 2 > 48 + share) { column += 1; x += w + within; y = 48; }
      if (b.title) { heads.push({x, y, w, title: b.title, department: b.department}); y += TITLE; }
      for (const i of b.tables) { cards.set(i, {x, y, w, h: SMALL - 4, ports: null}); y += SMALL; }
      if (b.title) y += 4;
      deepest = Math.max(deepest, y);
    }
    x = from + g.columns * w + (g.columns - 1) * within;
    bands.push({name: g.name, x: from, w: x - from, count: g.blocks.reduce((sum, b) => sum + b.tables.length, 0)});
    x += between;
  }
  return {cards, heads, bands, width: x - between + 48, height: deepest + 24};
}

// The tables of a layer: by department where they have one, else near what they are made from.
function blocksOf(name) {
  const tables = TABLES.filter((t) => t.layerName === name);
  const made = (list, title, department) => ({title, department, tables: list.map((t) => t.i), height: list.length * SMALL + (title ? TITLE + 4 : 0)});
  const owned = new Map();
  for (const t of tables) if (t.department) push(owned, t.department, t);
  const blocks = [...owned].map(([department, list]) => made(list, department, department));
  const rest = tables.filter((t) => !t.department);
  if (owned.size && rest.length) blocks.push(made(rest, say('entity')));
  else for (const t of byNeighbours(rest)) blocks.push(made([t], ''));
  return blocks;
}
function byNeighbours(tables) {
  const place = (t) => { const from = [...t.flowsIn]; return from.length ? from.reduce((a, b) => a + b, 0) / from.length : t.i; };
  const depth = (t, seen = new Set()) => {
    if (seen.has(t.i)) return 0;
    seen.add(t.i);
    return Math.max(0, ...[...t.inputs].filter((i) => TABLES[i].layer === t.layer).map((i) => 1 + depth(TABLES[i], seen)));
  };
  return [...tables].sort((a, b) => depth(a) - depth(b) || place(a) - place(b));
}

// Around a choice: `shown` is table -> its columns to show; links are between spots.
function around(shown, links, width, height, chosen) {
  const depths = new Map();
  const inLayer = (i) => {
    if (depths.has(i)) return depths.get(i);
    depths.set(i, 0);
    let d = 0;
    for (const l of links) {
      const [from, to] = [tableOf(l.s), tableOf(l.t)];
      if (to === i && from !== i && TABLES[from].layer === TABLES[i].layer) d = Math.max(d, inLayer(from) + 1);
    }
    depths.set(i, d);
    return d;
  };
  const slots = new Map();
  for (const i of shown.keys()) push(slots, TABLES[i].layer * 100 + inLayer(i), i);
  const order = [...slots.keys()].sort((a, b) => a - b);
  const n = order.length, room = width - 36;
  let gap = Math.max(34, Math.min(110, room / n * 0.27));
  const w = Math.max(112, Math.min(250, (room - gap * (n - 1)) / n));
  if (w === 112) gap = Math.max(34, (room - n * w) / (n - 1));
  const near = new Map();
  for (const l of links) { const a = tableOf(l.s), b = tableOf(l.t); if (a !== b) { push(near, a, b); push(near, b, a); } }
  const cards = new Map();
  const total = n * w + (n - 1) * gap;
  let x = Math.max(18, (width - total) / 2);
  for (const slot of order) {
    let y = 0;
    for (const i of slots.get(slot)) {
      const columns = shown.get(i), h = HEAD + columns.length * LINE + (columns.length ? 6 : 0);
      cards.set(i, {x, y, w, h, slot, columns, ports: new Map(columns.map((c, j) => [c, HEAD + j * LINE + LINE / 2]))});
      y += h + GAP;
    }
    x += w + gap;
  }
  const middle = (c) => c.y + c.h / 2;
  for (let round = 0; round < 14; round += 1) {
    const sweep = round % 2 ? [...order].reverse() : order;
    for (const slot of sweep) {
      const list = slots.get(slot);
      const wish = new Map(list.map((i) => {
        const others = near.get(i) || [];
        return [i, others.length ? others.reduce((sum, j) => sum + middle(cards.get(j)), 0) / others.length : middle(cards.get(i))];
      }));
      list.sort((a, b) => wish.get(a) - wish.get(b));
      settle(list, cards, wish);
    }
  }
  const ys = [...cards.values()];
  const top = Math.min(...ys.map((c) => c.y)), bottom = Math.max(...ys.map((c) => c.y + c.h));
  const shift = Math.max(46, (height - (bottom - top)) / 2 + 10) - top;
  for (const c of ys) c.y = Math.round(c.y + shift);
  const bands = [];
  for (const slot of order) {
    const name = DATA.layers[Math.floor(slot / 100)][0], c = cards.get(slots.get(slot)[0]), last = bands.at(-1);
    if (last && last.name === name) { last.w = c.x + c.w - last.x; last.count += slots.get(slot).length; }
    else bands.push({name, x: c.x, w: c.w, count: slots.get(slot).length});
  }
  return {cards, heads: [], bands, width: Math.max(width, total + 36), height: bottom + shift + 28, chosen};
}

// Cards of one column near where they wish to be, in order and without overlap.
function settle(list, cards, wish) {
  const blocks = [];
  for (const i of list) {
    const c = cards.get(i);
    blocks.push({ids: [i], h: c.h, y: wish.get(i) - c.h / 2, weight: 1});
    while (blocks.length > 1 && blocks.at(-2).y + blocks.at(-2).h + GAP > blocks.at(-1).y) {
      const b = blocks.pop(), a = blocks.at(-1);
      a.y = (a.y * a.weight + (b.y - a.h - GAP) * b.weight) / (a.weight + b.weight);
      a.h += GAP + b.h; a.weight += b.weight; a.ids.push(...b.ids);
    }
  }
  for (const b of blocks) { let y = b.y; for (const i of b.ids) { cards.get(i).y = y; y += cards.get(i).h + GAP; } }
}
