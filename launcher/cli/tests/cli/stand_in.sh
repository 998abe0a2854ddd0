#!/bin/sh
# Stands in for schliff-trainer: reads the request, greets, and plays the scene it is given.
#
# SCENE is shell code. It has `say LINE` for an event and the request in $request.
# HELLO replaces the greeting.
say() { printf '%s\n' "$1"; }

read -r request
say "$HELLO"
eval "$SCENE"
