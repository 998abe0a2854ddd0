#!/bin/sh
# Stands in for schliff-trainer: reads the request, greets, and plays the scene it is given.
#
# BEFORE and SCENE are shell code, played before and after the greeting. They have `say LINE` for an
# event and the request in $request.
# HELLO replaces the greeting.
say() { printf '%s\n' "$1"; }

read -r request
eval "$BEFORE"
say "$HELLO"
eval "$SCENE"
