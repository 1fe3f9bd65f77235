/**
 * Text from charts, clusters and config for a Markdown document: no markup, no HTML, no mention of people, one line. It may
 * hold anything, for example what an attacker wrote into a changelog.
 */
export function markdownText(text: string): string {
  return (
    text
      .replace(/\s+/g, " ")
      .trim()
      .replace(/[\\`*_[\]|~]/g, "\\$&")
      .replace(/&/g, "&amp;")
      .replace(/</g, "&lt;")
      .replace(/>/g, "&gt;")
      // An @ in front of a name would call people, a # in front of a number link an issue, a bare address link anywhere.
      .replace(/@(?=[\w-])/g, "@\u200b")
      .replace(/#(?=\d)/g, "#\u200b")
      .replace(/:\/\//g, ":\u200b//")
  );
}

/** The same as code; the fence is longer than any run of backticks in it. */
export function markdownCode(text: string): string {
  const plain = text.replace(/\r?\n/g, "⏎").replace(/\|/g, "\\|");
  const longest = Math.max(0, ...[...plain.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const space = longest > 0 || plain.trim() !== plain || plain === "" ? " " : "";
  return `${fence}${space}${plain}${space}${fence}`;
}

/** Text for XML, as content and in attributes; control characters that XML cannot hold are dropped. */
export function xmlText(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
    .replace(/[&<>"']/g, (c) => entities[c] ?? c);
}
