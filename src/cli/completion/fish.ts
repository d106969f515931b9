/** Completion for fish: the same rules and the same walk, in fish's own language. */

import type { Command } from "../command.ts";
import { actionOf, type CompletionRule, openPaths } from "./rules.ts";

export function fishCompletion(
  rules: readonly CompletionRule[],
  commands: readonly Command[],
): string {
  return `# Completion of kapacitor for fish. Install it once:
#   kapacitor completion fish > ~/.config/fish/completions/kapacitor.fish

# Does the next word belong to the path $argv[1]?
function __kapacitor_is_open
    contains -- "$argv[1]" ${openPaths(rules).map(quoted).join(" ")}
end

# Options behind the path $argv[1], one a line.
function __kapacitor_flags
    switch "$argv[1]"
${rules.map(flagCase).join("\n")}
    end
end

# What the value of option $argv[2] behind the path $argv[1] is; fails for an option without one.
function __kapacitor_value
    switch "$argv[1] $argv[2]"
${rules.flatMap(valueCases).join("\n")}
        case '*'
            return 1
    end
end

# What word number $argv[2] behind the path $argv[1] is.
function __kapacitor_word
    switch "$argv[1] $argv[2]"
${rules.flatMap(wordCases).join("\n")}
    end
end

function __kapacitor_commands
${commands
  .filter(({ hidden }) => hidden !== true)
  .map(commandLine)
  .join("\n")}
    printf '%s\\t%s\\n' help 'Show the help of a command.'
end

function __kapacitor_complete
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
            if test -z "$at"; and test $flag != -output
                set -a globals $word
            end
            set flag ''
        else if string match -q -r '^-.' -- $word
            set flag (string replace -r '^--' -- - $word)
            if test -z "$at"; and not string match -q -- '-output*' $flag
                set -a globals $word
            end
            if string match -q -- '*=*' $flag; or not __kapacitor_value "$at" $flag >/dev/null
                set flag ''
            end
        else if test $number -eq 0; and __kapacitor_is_open "$at"
            set at (string trim -- "$at $word")
        else
            set before $word
            set number (math $number + 1)
        end
    end

    set -l prefix ''
    set -l action
    if test -n "$flag"
        set action (__kapacitor_value "$at" $flag)
    else if string match -q -r '^-.*=' -- $typed
        set prefix (string replace -r '=.*' -- '=' $typed)
        set typed (string replace -r '^[^=]*=' -- '' $typed)
        set action (__kapacitor_value "$at" (string replace -r '^--?(.*)=' -- '-$1' $prefix))
    else if string match -q -- '-*' $typed
        __kapacitor_flags "$at"
        return
    else if test -z "$at"
        __kapacitor_commands
        return
    else
        set action (__kapacitor_word "$at" $number)
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

complete -c kapacitor -f -a '(__kapacitor_complete)'
`;
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

function commandLine({ name, summary }: Command): string {
  return `    printf '%s\\t%s\\n' ${quoted(name)} ${quoted(summary)}`;
}

/** For fish's single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
