// What the page says, in two languages. Titles of tables and columns come with the data.
const WORDS = {
  zh: {
    brand: '血缘', find: '搜索表、列、部门……', all: '全图', none: '没有找到', refused: (n) => `${n} 个模型未能加载，其表不在图上`,
    intro: (s) => `${s.feeds} 个数据项 · ${s.tables} 张表 · ${s.columns} 列`,
    covered: (a, b) => a === b ? '每一列都有出处' : `${a} / ${b} 列有出处`,
    lead: '点一张表看它从哪里来、到哪里去；再点一列，只亮它走过的路。',
    rows: '行', files: '份文件', at: '更新于', level: '级别', version: '契约版本', key: '主键',
    department: '部门', columns: '列', made: '怎么来的', goes: '流向', decided: '哪些行计入，取决于',
    decides: '还决定这些表计入哪些行', source: '直接来源', constant: '常数，来自 SQL 本身',
    nothingUp: '这里是起点。', nothingDown: '没有别的表用到它。', reports: '影响的上报表',
    sql: 'SQL', copy: '复制', copied: '已复制', personal: '含个人信息', close: '关闭',
    showDeciding: '显示决定行的列', deciding: '条件', depth: '远近', end: '到底', fold: '收起来件与原始',
    raw: '来件与原始', theme: '明暗', help: '键盘', lang: 'EN', repairs: '修复与规则', more: '更多',
    other: '张表', column: '列', upTo: '上游', downTo: '下游', whole: '整表', ledger: '台账', entity: '汇聚',
    trace: '打开一个数到文件的行', line: '命令', made_at: '生成于', rowsOf: '的行', feeds: '数据项', byValues: '由其数值得出', byRows: '只决定计入哪些行', unused: '没有上报表或市级表用到', nocell: '本页只有名称与数量，没有任何单元格的值。',
    keys: [['/', '搜索'], ['↑ ↓', '上一个、下一个'], ['← →', '上游、下游'], ['Enter', '打开'],
      ['Esc', '回到上一级'], ['C', '显示或隐藏条件'], ['R', '来件与原始层'], ['1 2 3 0', '远近：一步、两步、三步、到底'],
      ['T', '明暗'], ['L', '中文 / English'], ['?', '本页']],
  },
  en: {
    brand: 'Lineage', find: 'Search tables, columns, departments…', all: 'All', none: 'Nothing found', refused: (n) => `${n} model${n > 1 ? 's' : ''} refused: not drawn`,
    intro: (s) => `${s.feeds} feeds · ${s.tables} tables · ${s.columns} columns`,
    covered: (a, b) => a === b ? 'every column has an origin' : `${a} of ${b} columns have an origin`,
    lead: 'Choose a table to see where it comes from and goes; then a column, to light only its ways.',
    rows: 'rows', files: 'files', at: 'as of', level: 'level', version: 'contract', key: 'key',
    department: 'department', columns: 'columns', made: 'How it is made', goes: 'Goes into', decided: 'Which rows count is decided by',
    decides: 'Also decides which rows count in', source: 'Direct sources', constant: 'a constant of the SQL itself',
    nothingUp: 'It begins here.', nothingDown: 'No other table uses it.', reports: 'Reports that it reaches',
    sql: 'SQL', copy: 'Copy', copied: 'Copied', personal: 'personal', close: 'Close',
    showDeciding: 'Show what decides rows', deciding: 'Conditions', depth: 'Reach', end: 'all', fold: 'Fold files and raw',
    raw: 'Files and raw', theme: 'Theme', help: 'Keys', lang: '中', repairs: 'Repairs and rules', more: 'more',
    other: 'tables', column: 'columns', upTo: 'upstream', downTo: 'downstream', whole: 'table', ledger: 'Ledgers', entity: 'Entities',
    trace: 'Open a figure down to the rows of files', line: 'Command', made_at: 'made', rowsOf: 'rows', feeds: 'Feeds', byValues: 'made of its values', byRows: 'it only decides which rows count', unused: 'No report and no city table uses', nocell: 'This page holds names and counts, and no cell’s value.',
    keys: [['/', 'search'], ['↑ ↓', 'previous, next'], ['← →', 'upstream, downstream'], ['Enter', 'open'],
      ['Esc', 'one level back'], ['C', 'show or hide conditions'], ['R', 'files and raw layers'], ['1 2 3 0', 'reach: one, two, three steps, all'],
      ['T', 'light or dark'], ['L', '中文 / English'], ['?', 'this page']],
  },
};
const LAYER_EN = {landing: 'Files', bronze: 'Raw', silver: 'Conformed', ops: 'Ledgers', gold: 'Marts', report: 'Reports', city: 'City'};
const KIND_EN = {identity: 'as is', transformation: 'transformed', aggregation: 'aggregated', filter: 'filter', join: 'join', group: 'group', window: 'window'};
const remembered = (name, otherwise) => { try { return localStorage.getItem('lineage.' + name) ?? otherwise; } catch { return otherwise; } };
const remember = (name, value) => { try { localStorage.setItem('lineage.' + name, value); } catch { /* a page from disk may not keep anything */ } };
let lang = remembered('lang', 'zh');
const say = (word) => WORDS[lang][word];
const number = (n) => n.toLocaleString('en-US');
