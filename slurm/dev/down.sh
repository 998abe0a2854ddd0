# Ends everything of a cluster: what `launch` started, and whatever that has started.

# Jobs first, so that nothing of them is reported as anything but lost; the database last, as it is written to.
end_all() {
  local name
  end 'n[0-9]*' KILL 1
  for name in login rest ctld dbd db munge; do end "$name" TERM 10; done
  end_rest
}

# Whatever else there is; everything, where no state is to be kept.
end_rest() {
  end '*' KILL 1
  remove_network
}

down() {
  if [ -z "$id" ]; then return; fi
  if [ "$purge" = true ]; then end_rest; else end_all; fi
  rm -f "$state"/user/cm-*
  if [ "$purge" = true ]; then
    local claim="/run/lock/schliff-slurm-ports-$base"
    if [ "$(readlink "$claim" || true)" = "$state" ]; then rm -f "$claim"; fi
    rm -rf "$state"
  fi
}
