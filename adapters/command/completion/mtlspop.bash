# Completion of mtlspop for bash. It reads the help texts, so that it knows what the command knows.
_mtlspop() {
  local current=${COMP_WORDS[COMP_CWORD]} word command= words
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [ "$word" = -- ]; then
      compopt -o default
      return
    fi
    case $word in
      doctor | get | run | serve | token) command=$word ;;
    esac
  done
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    --binding) words="required preferred none" ;;
    --min-strength) words="none software hardware keyguard" ;;
    -K | --config | -E | --cert | --cert-chain | --cert-password-file | --assertion-file | --cacert | -o | --output | \
      -T | --upload-file | --binding-store)
      compopt -o default
      return
      ;;
    *)
      words=$({ mtlspop --help; [ -z "$command" ] || mtlspop "$command" --help; } 2>/dev/null |
        grep -oE -- '(^|[ ,])--[a-z0-9-]+' | tr -d ' ,')
      [ -n "$command" ] || words+=$'\n'$(mtlspop --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\).*/\1/p')
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _mtlspop mtlspop
