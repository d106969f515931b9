/** Completion for zsh: the same tables and the same walk as in bash, answers through zsh's own builtins. */

import type { Command } from "../command.ts";
import type { CompletionRule } from "./rules.ts";
import { quoted, shellTables } from "./tables.ts";

export function zshCompletion(
  rules: readonly CompletionRule[],
  commands: readonly Command[],
): string {
  return `#compdef kapacitor
# Completion of kapacitor for zsh. Install it once, into a directory of $fpath:
#   kapacitor completion zsh > "\${fpath[1]}/_kapacitor"
# or for this shell: source <(kapacitor completion zsh)

${shellTables(rules)}

_kapacitor_commands=(
${commands
  .filter(({ hidden }) => hidden !== true)
  .map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`)
  .join("\n")}
    'help:Show the help of a command.'
)

_kapacitor() {
    local at='' flag='' before='' word='' number=0 i
    local -a globals reply ids
    for ((i = 2; i < CURRENT; i++)); do
        word=\${(Q)words[i]}
        if [[ $word == -?* ]]; then
            flag=\${word/#--/-}
            if [[ $at == '' && $flag != -output* ]]; then globals+=("$word"); fi
            if [[ $flag != *=* ]] && _kapacitor_value "$at" "$flag"; then
                ((i++))
                if ((i == CURRENT)); then break; fi
                if [[ $at == '' && $flag != -output ]]; then globals+=("\${(Q)words[i]}"); fi
            fi
            flag=''
        elif _kapacitor_is_open "$at" && ((number == 0)); then
            at=\${at:+$at }$word
        else
            before=$word
            number=$((number + 1))
        fi
    done

    if [[ $flag != '' ]]; then
        _kapacitor_value "$at" "$flag"
    elif [[ $PREFIX == -*=* ]]; then
        flag=\${PREFIX/#--/-}
        compset -P '*='
        _kapacitor_value "$at" "\${flag%%=*}" || return 1
    elif [[ $PREFIX == -* ]]; then
        _kapacitor_flags "$at"
        compadd -- "\${reply[@]}"
        return
    elif [[ $at == '' ]]; then
        _describe command _kapacitor_commands
        return
    else
        _kapacitor_word "$at" "$number"
    fi

    case "\${reply[1]-}" in
    words) compadd -- "\${reply[@]:1}" ;;
    file) _files ;;
    directory) _files -/ ;;
    ids)
        ids=("\${(@f)$("\${words[1]/#\\~/$HOME}" "\${globals[@]}" \\
            __complete "\${reply[2]}" "\${(Q)PREFIX}" "$before" 2>/dev/null)}")
        [[ \${#ids} == 1 && $ids[1] == '' ]] || compadd -- "\${ids[@]}"
        ;;
    esac
}

if [[ "\${funcstack[1]-}" == _kapacitor ]]; then
    _kapacitor "$@"
else
    compdef _kapacitor kapacitor
fi
`;
}
