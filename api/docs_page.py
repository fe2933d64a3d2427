"""The texts of the documentation pages: markup, style and the script that draws the OpenAPI document."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a6b5d; }
@media (prefers-color-scheme: dark) { :root { --accent: #5fd3bf; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
h1 { margin: 0; } h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; } pre { background: var(--soft); overflow: auto; padding: .75rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; } .verb { color: var(--accent); display: inline-block; font-weight: 700; min-width: 4rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid var(--line); padding: .3rem .5rem;
  text-align: left; vertical-align: top; } a { color: var(--accent); } .soft { opacity: .75; }
input { font: inherit; padding: .4rem; width: 100%; box-sizing: border-box; }
"""

SCRIPT = """
'use strict';
const el = (tag, text, cls) => { const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text; if (cls) n.className = cls; return n; };
const follow = (spec, node) => { let n = node;
  while (n && n.$ref) n = n.$ref.split('/').slice(1).reduce((o, k) =>
    o[k.replace(/~1/g, '/').replace(/~0/g, '~')], spec);
  return n || {}; };
function typeOf(spec, schema) {
  const s = follow(spec, schema); const t = Array.isArray(s.type) ? s.type.join(' or ') : (s.type || 'any');
  let out = s.items ? 'list of ' + typeOf(spec, s.items) : t;
  if (s.format) out += ' (' + s.format + ')';
  if (s.enum) out += ': ' + s.enum.join(', ');
  if (s.pattern) out += ' matching ' + s.pattern;
  if (s.minimum !== undefined) out += ', from ' + s.minimum;
  if (s.maximum !== undefined) out += ', to ' + s.maximum;
  return out; }
function rows(spec, schema, table, prefix, depth) {
  const s = follow(spec, schema);
  for (const [name, raw] of Object.entries(s.properties || {})) {
    const p = follow(spec, raw); const row = table.appendChild(el('tr'));
    row.append(el('td', prefix + name + ((s.required || []).includes(name) ? ' *' : '')),
      el('td', typeOf(spec, raw)), el('td', p.description || ''));
    const inner = p.items ? follow(spec, p.items) : p;
    if (inner.properties && depth < 4) rows(spec, inner, table, prefix + name + (p.items ? '[].' : '.'), depth + 1);
  } }
function tableOf(spec, schema) { const t = el('table'); rows(spec, schema, t, '', 0); return t; }
function operation(spec, path, verb, op, shared) {
  const box = el('details'); const head = box.appendChild(el('summary'));
  head.append(el('span', verb.toUpperCase(), 'verb'), el('code', path), el('span', '  ' + (op.summary || ''), 'soft'));
  box.dataset.text = (verb + ' ' + path + ' ' + (op.summary || '')).toLowerCase();
  if (op.description) box.append(el('p', op.description));
  const params = (shared || []).concat(op.parameters || []).map(p => follow(spec, p));
  if (params.length) { box.append(el('h4', 'Parameters')); const t = box.appendChild(el('table'));
    for (const p of params) { const r = t.appendChild(el('tr'));
      r.append(el('td', p.name + (p.required ? ' *' : '')), el('td', p.in + ', ' + typeOf(spec, p.schema || {})),
        el('td', p.description || (p.schema || {}).description || '')); } }
  const body = follow(spec, op.requestBody).content;
  if (body) for (const [type, c] of Object.entries(body)) {
    box.append(el('h4', 'Body: ' + type), tableOf(spec, c.schema)); }
  for (const [status, raw] of Object.entries(op.responses || {})) { const r = follow(spec, raw);
    box.append(el('h4', 'Answer ' + status + ': ' + (r.description || '')));
    for (const c of Object.values(r.content || {})) if (c.schema) box.append(tableOf(spec, c.schema)); }
  return box; }
function draw(spec) {
  const main = document.getElementById('main'); if (!main) return; main.textContent = '';
  document.getElementById('intro').textContent = spec.info.description || '';
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) for (const verb of ['get', 'post', 'put', 'patch', 'delete'])
    if (item[verb]) { const tag = (item[verb].tags || ['other'])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(spec, path, verb, item[verb], item.parameters)); }
  for (const [tag, boxes] of groups) { main.append(el('h2', tag.replace(/_/g, ' '))); main.append(...boxes); }
}
const search = document.getElementById('search');
if (search) { search.addEventListener('input', () => { const wanted = search.value.toLowerCase();
    for (const box of document.querySelectorAll('details')) box.hidden = !box.dataset.text.includes(wanted); });
  fetch('/openapi.json').then(r => r.json()).then(draw).catch(e => {
    document.getElementById('main').textContent = 'The description could not be read: ' + e; }); }
"""

_FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>Daybook</title><style>{style}</style></head><body>{body}<script>{script}</script></body></html>"
)

HOME = _FRAME.format(
    style=STYLE,
    script=SCRIPT,
    body="<h1>Daybook</h1>"
    "<p>The book of original entry for payments: every movement of money, written once and in order.</p>"
    '<ul><li><a href="/docs">Documentation of every route</a></li>'
    '<li><a href="/openapi.json">OpenAPI 3.1 description</a></li>'
    '<li><a href="/healthz">Is it alive</a>, <a href="/readyz">is it ready</a>, '
    '<a href="/metrics">metrics</a></li></ul>',
)

PAGE = _FRAME.format(
    style=STYLE,
    script=SCRIPT,
    body='<h1>Daybook API</h1><p id="intro"></p><p><a href="/">Home</a> · <a href="/openapi.json">openapi.json</a></p>'
    "<p>Send your key with every request: <code>Authorization: Bearer dbk_test_…</code></p>"
    '<pre>curl -H "Authorization: Bearer $KEY" -H "Idempotency-Key: $(uuidgen)" \\\n'
    '  -H "Content-Type: application/json" \\\n'
    '  -d \'{"amount_minor": 1234, "currency": "EUR"}\' http://localhost:8080/v1/payment-orders</pre>'
    '<label>Find a route<input id="search" type="search" autocomplete="off"></label><div id="main">Loading…</div>',
)
