/** Completion for zsh: the same tables and the same walk as in bash, answers through zsh's own builtins. */

import type { CompletionProgram } from "./programs.ts";
import { quoted, shellTables } from "./tables.ts";

export function zshCompletion(programs: readonly CompletionProgram[]): string {
  const names = programs.map(({ name }) => name).join(" ");
  return `#compdef ${names}
# Completion of kapacitor, kapacitorctl and kapacitord for zsh. Install it once, into a directory of $fpath:
#   kapacitor completion zsh > "\${fpath[1]}/_kapacitor"
# or for this shell: source <(kapacitor completion zsh)

${programs.map(tablesOf).join("\n\n")}

_kapacitor() {
    local tables=_\${service:-kapacitor} everywhere=''
    local at='' flag='' before='' word='' number=0 i
    local -a globals reply ids
    case $tables in
${programs
  .filter(({ flagsAnywhere }) => flagsAnywhere)
  .map(({ name }) => `    _${name}) everywhere=1 ;;`)
  .join("\n")}
    esac
    for ((i = 2; i < CURRENT; i++)); do
        word=\${(Q)words[i]}
        if [[ $word == -?* ]]; then
            flag=\${word/#--/-}
            if [[ ($at == '' || $everywhere != '') && $flag != -output* ]]; then globals+=("$word"); fi
            if [[ $flag != *=* ]] && "\${tables}_value" "$at" "$flag"; then
                ((i++))
                if ((i == CURRENT)); then break; fi
                if [[ ($at == '' || $everywhere != '') && $flag != -output ]]; then globals+=("\${(Q)words[i]}"); fi
            fi
            flag=''
        elif "\${tables}_is_open" "$at" && ((number == 0)); then
            at=\${at:+$at }$word
        else
            before=$word
            number=$((number + 1))
        fi
    done

    if [[ $flag != '' ]]; then
        "\${tables}_value" "$at" "$flag"
    elif [[ $PREFIX == -*=* ]]; then
        flag=\${PREFIX/#--/-}
        compset -P '*='
        "\${tables}_value" "$at" "\${flag%%=*}" || return 1
    elif [[ $PREFIX == -* ]]; then
        "\${tables}_flags" "$at"
        compadd -- "\${reply[@]}"
        return
    elif [[ $at == '' ]]; then
        _describe command \${tables}_commands
        return
    else
        "\${tables}_word" "$at" "$number"
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
    compdef _kapacitor ${names}
fi
`;
}

function tablesOf(program: CompletionProgram): string {
  const commands = program.commands.map(
    ({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`,
  );
  return `${shellTables(program)}

_${program.name}_commands=(
${commands.join("\n")}
)`;
}
