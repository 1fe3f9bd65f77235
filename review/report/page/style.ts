/** The page's style sheet. Colours have a contrast of 4.5 and more, in both modes. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--page:#fff;--box:#f6f8fa;--text:#1f2328;--quiet:#59636e;--line:#d1d9e0;--focus:#0969da;
--high:#b3202b;--medium:#7d4e00;--low:#4b535d;--old:#ffebe9;--new:#dafbe1;--old-part:#ffc1bc;--new-part:#9be9a8}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--box:#161b22;--text:#f0f6fc;--quiet:#9ea7b3;--line:#3d444d;--focus:#4493f8;
--high:#ff7b72;--medium:#e3b341;--low:#b1bac4;--old:#3c1618;--new:#12311d;--old-part:#8e1519;--new-part:#196c2e}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:75rem;padding:1rem;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}h3{font-size:1rem}
p,ul,ol,dl{margin:.5rem 0}.quiet{color:var(--quiet)}
code{font:.85em/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
.skip{position:absolute;left:-100vw}.skip:focus{position:static}
.figures{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}.figures dt{color:var(--quiet)}.figures dd{margin:0}
svg{display:block;width:100%;height:auto;border:1px solid var(--line);border-radius:6px}
.wide{overflow-x:auto}
.badge{display:inline-block;border:1px solid currentColor;border-radius:1em;padding:0 .5em;font-size:.8rem;white-space:nowrap}
.high{color:var(--high)}.medium{color:var(--medium)}.low{color:var(--low)}
.risks li{margin:.5rem 0}.risks p{margin:.2rem 0}
button,select,input{font:inherit;color:inherit;background:var(--page);border:1px solid var(--quiet);border-radius:6px;padding:.2rem .5rem;max-width:100%}
button{cursor:pointer}
.filter{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:end;background:var(--box);padding:.75rem;border-radius:6px;margin:.5rem 0}
.filter label{display:flex;flex-direction:column;font-size:.85rem}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0}
summary{cursor:pointer;padding:.4rem .75rem;background:var(--box);border-radius:6px;overflow-wrap:anywhere}
.inside{padding:.25rem .75rem .75rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{border:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
thead th{background:var(--box)}
.sides{table-layout:fixed}.sides tbody th{font-weight:normal;background:var(--box)}
.old{background:var(--old)}.new{background:var(--new)}
del,ins{text-decoration:none}del{background:var(--old-part)}ins{background:var(--new-part)}
.fold summary{padding:0 .5rem;font-size:.8rem;color:var(--quiet)}
[hidden]{display:none!important}
@media print{body{max-width:none;padding:0;font-size:10pt}.filter,.skip,button{display:none}
details::details-content{content-visibility:visible;display:block;block-size:auto}
tr,.risks li,summary{break-inside:avoid}summary,h2{break-after:avoid}
.old,.new,del,ins,summary,thead th{print-color-adjust:exact}}
`;
