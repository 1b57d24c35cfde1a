/** How the page looks, in light and in dark as the reader's system is set, and on paper. */
export const styles = `
  :root {
    color-scheme: light dark;
    --page: #f5f6f8; --card: #fff; --text: #1d2430; --muted: #5b6675; --line: #e0e4ea; --code: #eef1f5;
    --red: #c2413b; --yellow: #a86d0a; --green: #2c7d45; --blue: #2b6cb0; --light: #9ac1e6;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --page: #12161c; --card: #1a2029; --text: #e3e8ef; --muted: #98a4b3; --line: #2d3643; --code: #232b36;
      --red: #f0807a; --yellow: #e0b04c; --green: #6cc588; --blue: #6aaef0; --light: #365a80;
    }
  }
  * { box-sizing: border-box }
  body { font: 15px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; max-width: 1020px; margin: 0 auto; padding: 2rem 1.25rem 4rem;
    color: var(--text); background: var(--page) }
  a { color: var(--blue) }
  h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere } h3 { font-size: 1rem; margin: 0 0 .25rem; font-weight: 600 }
  section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.4rem 1.3rem; margin: 1.25rem 0 }
  section > h2 { font-size: 1.15rem; margin: 0 0 .75rem }
  header { display: flex; align-items: center; gap: 1.25rem } header p { margin: .25rem 0 0 }
  .ring { --grade: var(--green); flex: none; width: 84px; height: 84px; border-radius: 50%; display: grid; place-items: center;
    background: radial-gradient(closest-side, var(--page) 78%, transparent 80%), conic-gradient(var(--grade) calc(var(--score) * 1%), var(--line) 0) }
  .ring b { font-size: 1.7rem; color: var(--grade); line-height: 1 } .ring span { display: block; font-size: 11px; color: var(--muted); text-align: center }
  .ring.fair { --grade: var(--yellow) } .ring.poor { --grade: var(--red) }
  .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: .75rem; margin: 1.25rem 0 }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .6rem .9rem; font-size: 13px; color: var(--muted) }
  .card b { display: block; font-size: 1.35rem; line-height: 1.35; color: var(--text); white-space: nowrap }
  .good b { color: var(--green) } .fair b { color: var(--yellow) } .poor b { color: var(--red) }
  nav { display: flex; flex-wrap: wrap; gap: .4rem; position: sticky; top: 0; padding: .6rem 0; background: var(--page); z-index: 1 }
  nav a { text-decoration: none; font-size: 13px; padding: .15rem .7rem; border: 1px solid var(--line); border-radius: 99px; background: var(--card) }
  section { scroll-margin-top: 3.5rem }
  table { border-collapse: collapse; width: 100%; font-size: 13px; margin: .75rem 0 }
  th { font-weight: 600; color: var(--muted) }
  td.text, td.text code { overflow-wrap: break-word }
  section { overflow-x: auto }
  th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
  tbody tr:last-child > td { border-bottom: 0 }
  th.number, td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
  tr.below > td { padding: 0 .5rem .75rem } tr:has(+ .below) > td { border-bottom: 0 }
  svg { max-width: 100%; height: auto; display: block; margin: 1rem 0 }
  .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 0 1.5rem }
  code { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
  p code, dd code { background: var(--code); border-radius: 4px; padding: .1rem .3rem }
  article { border: 1px solid var(--line); border-left: 4px solid var(--blue); border-radius: 6px; padding: .7rem 1rem; margin: .75rem 0 }
  article p { margin: .25rem 0 } article h3 { overflow-wrap: anywhere }
  .critical { border-left-color: var(--red) } .warning { border-left-color: var(--yellow) }
  .severity { text-transform: uppercase; letter-spacing: .04em; font-size: 11px; color: var(--card); background: var(--blue);
    border-radius: 4px; padding: .1rem .4rem; margin-right: .35rem; vertical-align: .1em }
  .critical .severity { background: var(--red) } .warning .severity { background: var(--yellow) }
  .small { font-size: 13px; color: var(--muted) }
  dl { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: .75rem 0 } dt { width: 100%; color: var(--muted); font-size: 13px } dd { margin: 0 }
  details { margin: .5rem 0 } summary { cursor: pointer; color: var(--blue); font-size: 13px }
  .plan td { padding: .2rem .5rem } .plan tr.slowest td { background: color-mix(in srgb, var(--yellow) 14%, transparent) }
  .bar { display: inline-block; height: 8px; width: calc(var(--part) * .6px); min-width: 1px; margin-left: .4rem; border-radius: 2px; background: var(--blue) }
  .advice { border-left: 3px solid var(--yellow); padding: .1rem .75rem; margin: .5rem 0 }
  .advice p { margin: .15rem 0 }
  @media print { nav { display: none } body { max-width: none; padding: 0 } section { break-inside: avoid-page } }
`;
