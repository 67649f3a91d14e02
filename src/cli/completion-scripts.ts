/**
 * What `castorefs completion SHELL` prints. Each script only hands the words so far to
 * `castorefs complete-words`, which knows the answers, so that all shells offer the same.
 * Lines come back as `candidate<TAB>description`; none at all means: complete a file name.
 */

const BASH = `# castorefs completion for bash: source it, or put it where bash-completion looks.
_castorefs() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$(printf '%q' "\${line%%$'\\t'*}")")
  done < <(castorefs complete-words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  # A directory wants to be gone on with.
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == */ ]]; then
    compopt -o nospace
  fi
}
complete -o default -F _castorefs castorefs
`;

const ZSH = `#compdef castorefs
# castorefs completion for zsh: put it into a directory of $fpath as _castorefs, or source it.
_castorefs() {
  local line candidate
  local -a plain nospace described
  for line in "\${(@f)$(castorefs complete-words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    candidate=\${line%%$'\\t'*}
    [[ -n $candidate ]] || continue
    if [[ $candidate == */ ]]; then
      nospace+=("$candidate")
    else
      plain+=("$candidate")
      described+=("$candidate  \${line#*$'\\t'}")
    fi
  done
  if (( \${#plain} + \${#nospace} == 0 )); then
    _files
    return
  fi
  (( \${#plain} )) && compadd -l -d described -a plain
  (( \${#nospace} )) && compadd -S '' -a nospace
}
if [[ $funcstack[1] == _castorefs ]]; then
  _castorefs "$@"
else
  compdef _castorefs castorefs
fi
`;

const FISH = `# castorefs completion for fish: put it into ~/.config/fish/completions/castorefs.fish.
function __castorefs_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l answers (castorefs complete-words -- $words[2..] 2>/dev/null)
  if test (count $answers) -gt 0
    printf '%s\\n' $answers
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c castorefs -f -a '(__castorefs_complete)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
};
