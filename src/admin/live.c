/* live.c: the page for a browser: the pools once a second, and in plain words why connections were not reused. One
 * text, no other file and no other server. Start with page_script. SPDX-License-Identifier: Apache-2.0 */
#include "admin/live.h"

#include "upstream/ledger.h"

static const char page_head[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Holdfast</title>"
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1b2733}"
    "h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.6rem 0 .2rem}table{border-collapse:collapse}"
    "td,th{text-align:right;padding:.2rem .55rem;border-bottom:1px solid #dbe2e8;font-weight:400}"
    ".n{width:100%}.n td:first-child,.n th:first-child{text-align:left}.w td{min-width:2.4rem;border:0;font-size:.8rem}"
    ".w th{border:0;font-size:.8rem;color:#5b6b7a}.big{font-size:2.4rem;font-weight:600}"
    "small,.why{color:#5b6b7a}.why div{padding-left:1rem}summary{cursor:pointer;color:#5b6b7a}</style>"
    "<h1>Holdfast <small id=\"v\"></small></h1>"
    "<p><span class=\"big\" id=\"r\">-</span> of upstream requests went over a kept connection</p>"
    "<div id=\"t\"></div><p><small>Every second. <a href=\"/metrics\">metrics</a> "
    "<a href=\"/v1/pools\">pools</a> <a href=\"/v1/whatif\">what if</a> <a href=\"/v1/conns\">connections</a> "
    "<a href=\"/v1/status\">status</a> <a href=\"/v1/config\">configuration</a></small></p>"
    "<script>const why=";

/* Text gets into the page by textContent only: a host's name is not ours. */
static const char page_script[] =
    ";const el=i=>document.getElementById(i);"
    "const make=(name,text,...kids)=>{const e=document.createElement(name);if(text!==null)e.textContent=text;"
    "e.append(...kids);return e};"
    "const percent=x=>(100*x).toFixed(2)+' %';"
    "const time=s=>s===null?'never':s===0?'0':s<1?+(1e3*s).toPrecision(3)+' ms':s<120?+s.toPrecision(3)+' s':"
    "s<7200?+(s/60).toPrecision(3)+' min':+(s/3600).toPrecision(3)+' h';"
    "const top3=(counts,total)=>Object.entries(counts).sort((a,b)=>total(b[1])-total(a[1])).slice(0,3);"
    "function numbers(h){const names=['reused','shared','new','open','idle','active','dialing','stale','failures'];"
    "const all=h.reused+h.shared+h.new;const t=make('table',null,"
    "make('tr',null,make('th','reuse'),...names.map(n=>make('th',n))),"
    "make('tr',null,make('td',all?percent((all-h.new)/all):'-'),...names.map(n=>make('td',h[n]))));"
    "t.className='n';return t}"
    "function reasons(h){"
    "const both=c=>c.ours+c.peer,by=c=>c.ours&&c.peer?c.ours+' by us, '+c.peer+' by the host':c.ours?'by us':'by the "
    "host';"
    "return[...top3(h.new_by,n=>n).map(([k,n])=>n+' new: '+why[k]),"
    "...top3(h.closes,both).map(([k,c])=>both(c)+' closed ('+by(c)+'): '+why[k])]}"
    "function limit(h){const l=h.learner,known={unknown:'not known yet',hint:'as it told us',learned:'learned from its "
    "closes',configured:'configured'}[l.kind];"
    "return'Idle limit of the host: '+known+(l.learned_seconds!==null?', '+time(l.learned_seconds):"
    "l.hint_seconds!==null?', '+time(l.hint_seconds):'')+(l.hint_seconds!==null&&!l.hint_trusted?' (its hint is not "
    "trusted)':'')+'; used up to '+time(l.usable_seconds)+', for any request up to '+time(l.any_request_seconds)}"
    "function dwell(h){const d=h.dwell,part=(text,x)=>x.count?[text+' '+time(x.p50)+' (99 %: '+time(x.p99)+')']:[];"
    "const parts=[...part('idle before reuse',d.idle_at_reuse),...part('idle when closed by us',d.idle_at_close_ours),"
    "...part('idle when closed by the host',d.idle_at_close_peer),...part('age at close',d.connection_age)];"
    "return parts.length?['Half of the connections: '+parts.join('; ')]:[]}"
    "function lines(h){const d=make('div',null,...[...reasons(h),limit(h),...dwell(h)].map(l=>make('div',l)));"
    "d.className='why';return d}"
    /* Rows are caps, columns timeouts; the greener, the more would be reused. */
    "function whatif(h){const w=h.what_if;if(!w)return[];"
    "const cell=x=>{const c=make('td',(100*x).toFixed(1));c.style.background='hsl('+120*x+' 60% 82%)';return c};"
    "const t=make('table',null,make('tr',null,make('th','cap'),...w.idle_seconds.map(s=>make('th',time(s)))),"
    "...w.caps.map((c,i)=>make('tr',null,make('th',c),...w.reuse_ratio[i].map(cell))));t.className='w';"
    "const d=make('details',null,make('summary','What if: percent reused for each cap of idle connections and each "
    "idle "
    "timeout'),t);d.dataset.host=h.host;return[d]}"
    "function show(h){return make('section',null,make('h2',h.host),numbers(h),lines(h),...whatif(h))}"
    "async function tick(){try{const s=await(await fetch('/v1/status')).json(),"
    "p=await(await fetch('/v1/pools')).json();"
    "el('v').textContent=s.version+', '+s.workers+' workers, up '+Math.round(s.uptime_seconds)+' s';"
    "let a=0,b=0;for(const h of p.hosts){a+=h.reused+h.shared;b+=h.reused+h.shared+h.new}"
    "const open=new Set([...document.querySelectorAll('details[open]')].map(d=>d.dataset.host));"
    "el('t').replaceChildren(...p.hosts.map(show));"
    "for(const d of document.querySelectorAll('details'))d.open=open.has(d.dataset.host);"
    "el('r').textContent=b?percent(a/b):'-'}catch(e){}}"
    "tick();setInterval(tick,1000)</script></html>";

/* {"cold":"this worker had no connection to the host yet", ...} */
static void write_reasons(struct json_writer *writer)
{
    json_write_raw(writer, STR("{"));
    for (int reason = 0; reason < REASONS; reason++) {
        json_write_name(writer, str_from(reason_name((enum reason)reason)), reason == 0);
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
