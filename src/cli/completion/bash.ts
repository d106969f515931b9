/**
 * Completion for bash 3.2 and later, needing nothing but bash.
 *
 * Bash breaks words at `:` and `=`, which IDs of topics and `-flag=value` contain: pieces are put together
 * again, and what bash holds to be done already is taken off the answers. IDs are compared and quoted as
 * plain text and never expanded, so that no name on the server can run anything here.
 */

import type { CompletionProgram } from "./programs.ts";
import { shellTables } from "./tables.ts";

export function bashCompletion(programs: readonly CompletionProgram[]): string {
  return `# Completion of kapacitor, kapacitorctl and kapacitord for bash. Install it once:
#   cd /usr/share/bash-completion/completions && kapacitor completion bash > kapacitor &&
#     ln -s kapacitor kapacitorctl && ln -s kapacitor kapacitord
# or for this shell: source <(kapacitor completion bash)

${programs.map(shellTables).join("\n\n")}

# The words up to the cursor, put together again, in the array words.
_kapacitor_words() {
    local i piece isGlued=''
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=\${COMP_WORDS[i]}
        if ((i > 1)) && [[ $isGlued || $piece == [:=]* ]]; then
            words[\${#words[@]} - 1]+=$piece
        else
            words+=("$piece")
        fi
        isGlued=''
        [[ $piece == *[:=] ]] && isGlued=1
    done
}

# Takes $2 as an answer when it begins with what is typed; $1 is what stands before it in the same word.
_kapacitor_offer() {
    local shown
    [[ $2 == "$typed"* ]] || return 0
    printf -v shown '%q' "$2"
    shown=$1$shown
    COMPREPLY+=("\${shown#"$lead"}")
}

# Completes for the program with the tables $1; with $2 its options may stand anywhere.
_kapacitor_complete() {
    local tables=$1 everywhere=$2
    local words reply at='' flag='' before='' word='' number=0 globals=() i
    local cursor typed prefix='' lead='' breaks=''
    COMPREPLY=()
    _kapacitor_words
    cursor=\${words[\${#words[@]} - 1]}

    for ((i = 1; i < \${#words[@]} - 1; i++)); do
        word=\${words[i]}
        if [[ $word == -?* ]]; then
            flag=\${word/#--/-}
            if [[ ($at == '' || $everywhere) && $flag != -output* ]]; then globals+=("$word"); fi
            if [[ $flag != *=* ]] && "\${tables}_value" "$at" "$flag"; then
                ((i++))
                if ((i == \${#words[@]} - 1)); then break; fi
                if [[ ($at == '' || $everywhere) && $flag != -output ]]; then globals+=("\${words[i]}"); fi
            fi
            flag=''
        elif "\${tables}_is_open" "$at" && ((number == 0)); then
            at=\${at:+$at }$word
        else
            before=$word
            number=$((number + 1))
        fi
    done

    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    if [[ $breaks ]]; then lead=\${cursor%"\${cursor##*[$breaks]}"}; fi

    typed=$cursor
    if [[ $flag ]]; then
        "\${tables}_value" "$at" "$flag"
    elif [[ $cursor == -*=* ]]; then
        flag=\${cursor/#--/-}
        prefix=\${cursor%%=*}=
        typed=\${cursor#*=}
        "\${tables}_value" "$at" "\${flag%%=*}" || return 0
    elif [[ $cursor == -* ]]; then
        "\${tables}_flags" "$at"
        reply=(words "\${reply[@]}")
    else
        "\${tables}_word" "$at" "$number"
    fi

    case "\${reply[0]}" in
    words)
        for word in "\${reply[@]:1}"; do _kapacitor_offer "$prefix" "$word"; done
        ;;
    file | directory)
        compopt -o filenames 2>/dev/null
        i=-f
        [[ \${reply[0]} == directory ]] && i=-d
        while IFS= read -r word; do
            word=$prefix$word
            COMPREPLY+=("\${word#"$lead"}")
        done < <(compgen "$i" -- "$typed")
        ;;
    ids)
        while IFS= read -r word; do
            _kapacitor_offer "$prefix" "$word"
        done < <("\${COMP_WORDS[0]/#\\~/$HOME}" \${globals[@]+"\${globals[@]}"} \\
            __complete "\${reply[1]}" "$typed" "$before" 2>/dev/null)
        ;;
    esac
}

${programs.map(entry).join("\n")}
`;
}

function entry({ name, flagsAnywhere }: CompletionProgram): string {
  return `_${name}() { _kapacitor_complete _${name} ${flagsAnywhere ? "1" : "''"}; }
complete -F _${name} ${name}`;
}
