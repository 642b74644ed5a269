"""The look of reports/check.html: one sheet for light, dark, phone and paper. No font, picture or script is fetched."""

CSS = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#5a6474;--line:#e2e5ea;--pass:#17784a;
--fail:#c2321f;--maybe:#8f6000;--new:#2257c9;--old:#7b8494;--zone:#c2321f14;--off:#fff4d6}
@media (prefers-color-scheme:dark){:root{--bg:#12151a;--card:#1a1f27;--ink:#e6e9ef;--soft:#9ca6b5;--line:#2c333e;
--pass:#4fc58d;--fail:#ff8373;--maybe:#e3b64c;--new:#82acff;--old:#98a2b1;--zone:#ff837320;--off:#3a3014}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1100px;margin:0 auto;padding:28px 20px 56px}
header,section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:22px 24px;margin:0 0 18px}
header{border-top:6px solid var(--state)}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;color:var(--state);display:flex;gap:12px;align-items:center}
h1 svg{width:34px;height:34px;flex:none;fill:none;stroke:currentColor;stroke-width:4.5;stroke-linecap:round;
stroke-linejoin:round}
h2{font-size:18px;margin:0 0 4px}
h3{font-size:14px;margin:0 0 6px;font-weight:600}
p{margin:0 0 10px;max-width:96ch}
.soft,.note{color:var(--soft);font-size:13px}
.pass{--state:var(--pass)}.fail{--state:var(--fail)}.maybe{--state:var(--maybe)}.none{--state:var(--old)}
.lead{font-size:16px}
.figures{display:flex;flex-wrap:wrap;gap:8px 36px;margin:16px 0 4px}
.figures div{min-width:120px}
.figures dt,.figures span{color:var(--soft);font-size:13px;display:block}
.figures b{font-size:24px;font-weight:650;font-variant-numeric:tabular-nums;white-space:nowrap}
.figures .up{color:var(--pass)}.figures .down{color:var(--fail)}
ul.off,ul.warn{list-style:none;margin:14px 0 0;padding:0}
ul.off li,ul.warn li{border-left:4px solid var(--maybe);background:var(--off);padding:8px 12px;
margin:0 0 6px;border-radius:4px}
ul.off li{font-weight:700}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-size:12px;font-weight:600;color:var(--soft);text-align:left;padding:6px 10px 6px 0;vertical-align:bottom;
border-bottom:1px solid var(--line)}
td{padding:8px 10px 8px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:break-word}
td:not([class]){overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
.num{text-align:right;white-space:nowrap}
td.name{min-width:150px}
td small:empty{display:none}
td small{display:block;color:var(--soft);font-size:12.5px;line-height:1.4}
td.pic{width:276px;padding-top:6px;padding-bottom:2px}
.limit{white-space:nowrap}
.told td{border-bottom:0;padding-bottom:0}
.why td{color:var(--ink);padding-top:2px;padding-bottom:12px;font-size:13.5px}
.state{color:var(--state);font-weight:650;white-space:nowrap}
.up{color:var(--pass)}.down{color:var(--fail)}
.strip{display:block;width:260px;max-width:100%;height:24px}
.strip .bad{fill:var(--zone)}.strip .limit{stroke:var(--fail);stroke-width:1.5;stroke-dasharray:3 3}
.strip .zero{stroke:var(--old);stroke-width:1.5}
.strip .span{stroke:var(--state);stroke-width:2.5;fill:none}
.strip .mark{fill:var(--state);stroke:var(--card);stroke-width:1.5}
.s-pass{--state:var(--pass)}.s-fail,.s-no_data{--state:var(--fail)}.s-inconclusive{--state:var(--maybe)}
.s-too_small,.s-not_judged,.s-off,.s-not_compared,.s-plain{--state:var(--soft)}
.s-too_small .mark,.s-not_judged .mark,.s-off .mark{fill:var(--card);stroke:var(--state);stroke-width:2}
.axis-row th{padding:0;border:0}.axis-row text{font-size:11px;fill:var(--soft)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:22px;margin-top:10px}
figure{margin:0;min-width:0}
.chart{display:block;width:100%;height:auto;max-width:440px}
.chart .grid{stroke:var(--line)}
.chart .guide{stroke:var(--soft);stroke-dasharray:1 4;stroke-linecap:round;stroke-width:1.5;fill:none}
.chart .tick{font-size:11px;fill:var(--soft)}.chart .axis{font-size:12px;fill:var(--soft)}
.curve{fill:none;stroke-width:2.2;stroke-linejoin:round}
.curve.candidate{stroke:var(--new)}.curve.production{stroke:var(--old);stroke-dasharray:6 4}
.band.candidate{fill:var(--new);opacity:.18}.band.production{fill:none;stroke:var(--old);stroke-dasharray:2 3}
.point.candidate{fill:var(--new)}.point.production{fill:var(--old)}
.key{display:inline-flex;align-items:center;gap:6px;margin-right:18px;font-size:13px}
.key svg{width:34px;height:12px}
.matrix td,.matrix th{text-align:center;border:1px solid var(--line);padding:8px}
.matrix td{background:color-mix(in srgb,var(--new) var(--share),transparent)}
.facts{display:grid;grid-template-columns:minmax(150px,max-content) 1fr;gap:4px 20px;margin:8px 0 0}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
code{font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
background:var(--bg);padding:1px 4px;border-radius:4px}
footer{color:var(--soft);font-size:12.5px}
@media (max-width:720px){
main{padding:12px 10px 32px}header,section{padding:16px 14px;border-radius:10px}h1{font-size:24px}
.cards thead tr:not(.axis-row){position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.cards,.cards tbody,.cards thead{display:block}
.cards tr{display:grid;grid-template-columns:1fr auto;gap:0 14px;padding:10px 0;border-bottom:1px solid var(--line)}
.cards tr:last-child{border-bottom:0}
.cards .axis-row{display:block;padding:0;border:0}.cards .axis-row th:not(.pic){display:none}
.cards td{border:0;padding:2px 0}.cards td.pic{grid-column:1/-1;width:auto}
.cards td.name{font-weight:600;grid-column:1;grid-row:1}
.cards td.name small{font-weight:400;display:inline;margin-left:6px}
.cards td.state{grid-column:2;grid-row:1;text-align:right}
.cards td.num{text-align:left}.cards td:empty{display:none}
.cards .told{border-bottom:0;padding-bottom:0}.cards .why{display:block;padding-top:4px}
.cards td[data-l]::before{content:attr(data-l) " ";color:var(--soft);font-size:12.5px}
.cards .strip{width:100%;height:auto}
.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:6px}
.wide{overflow-x:auto}
}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc}
body{font-size:11.5px}main{max-width:none;padding:0}
header,section{border-radius:0;padding:12px 0;border-width:1px 0 0}tr,figure{break-inside:avoid}h2,h3{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
