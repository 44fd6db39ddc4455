# Completion of mtlspop-emulator for bash. It reads the help text, so that it knows what the program knows.
_mtlspop_emulator() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} help word wanted words
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [ "$word" = -- ]; then
      compopt -o default
      return
    fi
  done
  help=$(mtlspop-emulator --help 2>/dev/null)
  # What the option before wants; a switch has nothing but space behind its name.
  wanted=$(awk -v name="$before" '/^  --/ && $1 == name && substr($0, length(name) + 4, 1) != " " { print $2 }' <<<"$help")
  case $wanted in
    *\|*) words=${wanted//|/ } ;;
    BOOL) words="true false" ;;
    FILE)
      compopt -o default
      return
      ;;
    "")
      words=$(awk '/^  --/ { print $1 }' <<<"$help")
      if [ "$COMP_CWORD" -eq 1 ]; then words+=" run"; fi
      if [ "${COMP_WORDS[1]}" = run ]; then words+=" --"; fi
      ;;
    *) return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _mtlspop_emulator mtlspop-emulator
