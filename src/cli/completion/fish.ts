/** Completion for fish: the same rules and the same walk, in fish's own language. */

import type { CompletionProgram } from "./programs.ts";
import { actionOf, type CompletionRule, openPaths } from "./rules.ts";

export function fishCompletion(programs: readonly CompletionProgram[]): string {
  return `# Completion of kapacitor, kapacitorctl and kapacitord for fish. Install it once:
#   cd ~/.config/fish/completions && kapacitor completion fish > kapacitor.fish &&
#     ln -s kapacitor.fish kapacitorctl.fish && ln -s kapacitor.fish kapacitord.fish

${programs.map(tablesOf).join("\n\n")}

# Completes for the program with the tables $argv[1]; with $argv[2] its options may stand anywhere.
function __kapacitor_complete
    set -l tables $argv[1]
    set -l everywhere $argv[2]
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l program (string replace -r '^~' -- $HOME $words[1])
    set -l at ''
    set -l number 0
    set -l before ''
    set -l globals
    set -l flag ''
    for word in $words[2..-1]
        if test -n "$flag"
            if test -z "$at" -o -n "$everywhere"; and test $flag != -output
                set -a globals $word
            end
            set flag ''
        else if string match -q -r '^-.' -- $word
            set flag (string replace -r '^--' -- - $word)
            if test -z "$at" -o -n "$everywhere"; and not string match -q -- '-output*' $flag
                set -a globals $word
            end
            if string match -q -- '*=*' $flag; or not "$tables"_value "$at" $flag >/dev/null
                set flag ''
            end
        else if test $number -eq 0; and "$tables"_is_open "$at"
            set at (string trim -- "$at $word")
        else
            set before $word
            set number (math $number + 1)
        end
    end

    set -l prefix ''
    set -l action
    if test -n "$flag"
        set action ("$tables"_value "$at" $flag)
    else if string match -q -r '^-.*=' -- $typed
        set prefix (string replace -r '=.*' -- '=' $typed)
        set typed (string replace -r '^[^=]*=' -- '' $typed)
        set action ("$tables"_value "$at" (string replace -r '^--?(.*)=' -- '-$1' $prefix))
    else if string match -q -- '-*' $typed
        "$tables"_flags "$at"
        return
    else if test -z "$at"
        "$tables"_commands
        return
    else
        set action ("$tables"_word "$at" $number)
    end

    switch "$action[1]"
        case words
            printf '%s\\n' $prefix$action[2..-1]
        case file
            printf '%s\\n' $prefix(__fish_complete_path $typed)
        case directory
            printf '%s\\n' $prefix(__fish_complete_directories $typed)
        case ids
            printf '%s\\n' $prefix($program $globals __complete $action[2] "$typed" "$before" 2>/dev/null)
    end
end

${programs.map(entry).join("\n")}
`;
}

function entry({ name, flagsAnywhere }: CompletionProgram): string {
  const anywhere = flagsAnywhere ? "1" : '""';
  return `complete -c ${name} -f -a '(__kapacitor_complete __${name} ${anywhere})'`;
}

function tablesOf({ name, rules, commands }: CompletionProgram): string {
  return `# Does the next word belong to the path $argv[1]?
function __${name}_is_open
    contains -- "$argv[1]" ${openPaths(rules).map(quoted).join(" ")}
end

# Options behind the path $argv[1], one a line.
function __${name}_flags
    switch "$argv[1]"
${rules.map(flagCase).join("\n")}
    end
end

# What the value of option $argv[2] behind the path $argv[1] is; fails for an option without one.
function __${name}_value
    switch "$argv[1] $argv[2]"
${rules.flatMap(valueCases).join("\n")}
        case '*'
            return 1
    end
end

# What word number $argv[2] behind the path $argv[1] is.
function __${name}_word
    switch "$argv[1] $argv[2]"
${rules.flatMap(wordCases).join("\n")}
    end
end

function __${name}_commands
${commands.map(commandLine).join("\n")}
end`;
}

function flagCase({ path, flags }: CompletionRule): string {
  const names = flags.map(({ name }) => quoted(name)).join(" ");
  return `        case ${quoted(path)}\n            printf '%s\\n' ${names}`;
}

function valueCases({ path, flags }: CompletionRule): string[] {
  return flags.flatMap(({ name, value }) =>
    value === undefined ? [] : [caseOf(`${path} ${name}`, actionOf(value))],
  );
}

function wordCases({ path, words }: CompletionRule): string[] {
  const cases = words.each.map((word, i) => caseOf(`${path} ${i}`, actionOf(word)));
  return words.rest === undefined ? cases : [...cases, caseOf(`${path} *`, actionOf(words.rest))];
}

function caseOf(key: string, action: readonly string[]): string {
  const body = action.length === 0 ? "true" : `printf '%s\\n' ${action.map(quoted).join(" ")}`;
  return `        case ${quoted(key)}\n            ${body}`;
}

function commandLine({ name, summary }: CompletionProgram["commands"][number]): string {
  return `    printf '%s\\t%s\\n' ${quoted(name)} ${quoted(summary)}`;
}

/** For fish's single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
