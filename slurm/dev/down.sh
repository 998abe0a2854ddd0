# Ends everything of a cluster: what `launch` started, and whatever that has started.

# Jobs first, so that nothing of them is reported as anything but lost; the database last, as it is written to.
end_all() {
  local name
  for name in $(compgen -G "$state/marks/$(mark 'n*')" | sed 's/.*-//'); do
    if runs "$name"; then end "$name" KILL 1; fi
  done
  for name in login rest ctld dbd db munge; do end "$name" TERM 10; done
  end '*' KILL 1
  remove_network
}

down() {
  if [ -z "$id" ]; then return; fi
  end_all
  rm -f "$state"/user/cm-*
  if [ "$purge" = true ]; then
    local claim="/run/lock/schliff-slurm-ports-$base"
    if [ "$(readlink "$claim" || true)" = "$state" ]; then rm -f "$claim"; fi
    rm -rf "$state"
  fi
}
