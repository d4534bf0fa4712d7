/* live.c: the page for a browser: the pools once a second, and in plain words why connections were not reused. One
 * text, no other file and no other server. Start with page_script. SPDX-License-Identifier: Apache-2.0 */
#include "admin/live.h"

#include "upstream/ledger.h"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Holdfast</title>"
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b2733}"
    "h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:right;padding:.35rem .6rem;border-bottom:1px solid #dbe2e8}"
    "td:first-child,th:first-child{text-align:left}.big{font-size:2.4rem;font-weight:600}"
    "small,.why{color:#5b6b7a}.why div{padding-left:1rem}</style>"
    "<h1>Holdfast <small id=\"v\"></small></h1>"
    "<p><span class=\"big\" id=\"r\">-</span> of upstream requests went over a kept connection</p>"
    "<table><thead><tr><th>host<th>reused<th>new<th>open<th>idle<th>active<th>dialing<th>stale<th>failed</thead>"
    "<tbody id=\"t\"></tbody></table><p><small>Every second. <a href=\"/metrics\">metrics</a> "
    "<a href=\"/v1/pools\">pools</a> <a href=\"/v1/status\">status</a></small></p>"
    "<script>const why=";

/* Text gets into the page by textContent only: a host's name is not ours. */
static const char page_script[] =
    ";const el=i=>document.getElementById(i);"
    "const make=(name,text)=>{const e=document.createElement(name);e.textContent=text;return e};"
    "const top3=(counts,total)=>Object.entries(counts).sort((a,b)=>total(b[1])-total(a[1])).slice(0,3);"
    "function row(h){const r=make('tr','');"
    "for(const x of[h.host,h.reused,h.new,h.open,h.idle,h.active,h.dialing,h.stale,h.failures])r.append(make('td',x));"
    "return r}"
    "function reasons(h){"
    "const both=c=>c.ours+c.peer,by=c=>c.ours&&c.peer?c.ours+' by us, '+c.peer+' by the host':c.ours?'by us':'by the "
    "host';"
    "const lines=[...top3(h.new_by,n=>n).map(([k,n])=>n+' new: '+why[k]),"
    "...top3(h.closes,both).map(([k,c])=>both(c)+' closed ('+by(c)+'): '+why[k])];"
    "if(!lines.length)return[];"
    "const r=make('tr',''),c=make('td','');r.className='why';c.colSpan=9;"
    "c.append(...lines.map(l=>make('div',l)));r.append(c);return[r]}"
    "async function tick(){try{const s=await(await fetch('/v1/status')).json(),"
    "p=await(await fetch('/v1/pools')).json();"
    "el('v').textContent=s.version+', '+s.workers+' workers, up '+Math.round(s.uptime_seconds)+' s';"
    "let a=0,b=0;for(const h of p.hosts){a+=h.reused;b+=h.reused+h.new}"
    "el('t').replaceChildren(...p.hosts.flatMap(h=>[row(h),...reasons(h)]));"
    "el('r').textContent=b?(100*a/b).toFixed(2)+' %':'-'}catch(e){}}"
    "tick();setInterval(tick,1000)</script></html>";

/* {"cold":"this worker had no connection to the host yet", ...} */
static void write_reasons(struct json_writer *writer)
{
    for (int reason = 0; reason < REASONS; reason++) {
        json_write_raw(writer, reason == 0 ? STR("{") : STR(","));
        json_write_string(writer, str_from(reason_name((enum reason)reason)));
        json_write_raw(writer, STR(":"));
        json_write_string(writer, str_from(reason_text((enum reason)reason)));
    }
    json_write_raw(writer, STR("}"));
}

void live_write(struct json_writer *writer)
{
    json_write_raw(writer, str_from(page_head));
    write_reasons(writer);
    json_write_raw(writer, str_from(page_script));
}
