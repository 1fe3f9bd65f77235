/** A command line as completion needs it. */
export interface CommandLine {
  name: string;
  /** Options of all commands. */
  options: OptionWords[];
  commands: { name: string; summary: string; options: OptionWords[]; choices?: readonly string[] }[];
}

export interface OptionWords {
  /** `--out`, and `-s` where there is one. */
  flags: string[];
  summary: string;
  /** It is followed by a value. */
  takesValue: boolean;
  /** The values that it takes. */
  choices?: readonly string[];
}

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that makes a shell complete commands, options, and the values of those that have a few. */
export function completionScript(shell: Shell, line: CommandLine): string {
  return { bash, zsh, fish }[shell](line);
}

/** In single quotes, for all three shells. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const words = (options: readonly OptionWords[]) => options.flatMap(({ flags }) => flags).join(" ");
const withChoices = ({ options, commands }: CommandLine) =>
  [...options, ...commands.flatMap((command) => command.options)].filter(({ choices }) => choices !== undefined);
const withValues = ({ options, commands }: CommandLine) => [
  ...new Set([...options, ...commands.flatMap((command) => command.options)].filter(({ takesValue }) => takesValue)),
];

function bash(line: CommandLine): string {
  const flags = withValues(line).flatMap((option) => option.flags);
  return `# casa-upgrade completion bash: eval "$(casa-upgrade completion bash)", or into a file that bash reads at its start
_casa_upgrade() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" i
  case "$previous" in
${withChoices(line)
  .map(
    ({ flags: of, choices = [] }) =>
      `    ${of.join("|")}) COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$current")); return ;;`,
  )
  .join("\n")}
    ${flags.join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${flags.join("|")}) ((i++)) ;;
      -*) ;;
      *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  case "$command" in
    "") COMPREPLY=($(compgen -W ${quoted(`${line.commands.map(({ name }) => name).join(" ")} ${words(line.options)}`)} -- "$current")) ;;
${line.commands
  .map(
    ({ name, options, choices = [] }) =>
      `    ${name}) COMPREPLY=($(compgen -W ${quoted([...choices, words(options), words(line.options)].join(" "))} -- "$current")) ;;`,
  )
  .join("\n")}
  esac
}
complete -o filenames -F _casa_upgrade ${line.name}
`;
}

function zsh(line: CommandLine): string {
  const summary = (text: string) => text.replace(/[[\]:]/g, " ");
  const spec = ({ flags, summary: text, takesValue, choices }: OptionWords) =>
    flags.map((flag) => {
      const value = !takesValue ? "" : choices ? `:value:(${choices.join(" ")})` : ":value:_files";
      return `      ${quoted(`*${flag}[${summary(text)}]${value}`)}`;
    });
  const specs = (options: readonly OptionWords[]) => options.flatMap(spec).join(" \\\n");
  return `#compdef ${line.name}
# casa-upgrade completion zsh > a folder of $fpath, named _casa-upgrade; or: source <(casa-upgrade completion zsh)
_casa_upgrade() {
  local -a commands
  commands=(
${line.commands.map(({ name, summary: text }) => `    ${quoted(`${name}:${summary(text)}`)}`).join("\n")}
  )
  local state
  _arguments -C \\
${specs(line.options)} \\
      '1: :->command' '*:: :->rest'
  case "$state" in
    command) _describe command commands ;;
    rest)
      case "$words[1]" in
${line.commands
  .map(
    ({ name, options, choices }) =>
      `        ${name}) _arguments \\\n${specs([...options, ...line.options])}${choices ? ` \\\n      '1:value:(${choices.join(" ")})'` : ""} ;;`,
  )
  .join("\n")}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "_casa_upgrade" ]; then _casa_upgrade "$@"; else compdef _casa_upgrade ${line.name}; fi
`;
}

function fish(line: CommandLine): string {
  const option = (condition: string, { flags, summary, takesValue, choices }: OptionWords) => {
    const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
    const value = !takesValue ? [] : choices ? [`-x -a ${quoted(choices.join(" "))}`] : ["-r -F"];
    return [`complete -c ${line.name}`, condition, ...names, ...value, `-d ${quoted(summary)}`]
      .filter(Boolean)
      .join(" ");
  };
  const none = "-n __fish_use_subcommand";
  return [
    "# casa-upgrade completion fish > ~/.config/fish/completions/casa-upgrade.fish",
    `complete -c ${line.name} -f`,
    ...line.options.map((one) => option("", one)),
    ...line.commands.map(({ name, summary }) => `complete -c ${line.name} ${none} -a ${name} -d ${quoted(summary)}`),
    ...line.commands.flatMap(({ name, options, choices }) => [
      ...(choices
        ? [`complete -c ${line.name} -n '__fish_seen_subcommand_from ${name}' -a ${quoted(choices.join(" "))}`]
        : []),
      ...options.map((one) => option(`-n '__fish_seen_subcommand_from ${name}'`, one)),
    ]),
    "",
  ].join("\n");
}
