#!/usr/bin/env bash
# tensorboard 2.20.0 (the one that TensorFlow 2.20 pins): its wheel asks for setuptools>=41, and with a new one it does not start.
#
# Guess: what its own requirements resolve to runs. Seen: they resolve to setuptools 84.2.1, which has no pkg_resources any more; writing
# event files works, `tensorboard --logdir` and every import of its server end with ModuleNotFoundError. With setuptools 80.10.2 the
# server can be made. So who writes event files has to say which setuptools reads them (2.21.0 does not import it).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet tensorboard==2.20.0 setuptools==84.2.1 numpy==2.1.3
try() { "$work/env/bin/python" -W ignore -c 'from tensorboard import default; print(len(default.get_plugins()), "plugins")' 2>&1 | tail -1 || true; }
"$work/env/bin/pip" check
"$work/env/bin/python" -W ignore -c 'from tensorboard.summary.writer.event_file_writer import EventFileWriter as W; W("'"$work"'/run").close()'
new=$(try)
"$work/env/bin/pip" install --quiet setuptools==80.10.2
old=$(try)
printf 'setuptools 84.2.1: %s\nsetuptools 80.10.2: %s\n' "$new" "$old"
[[ $new == *"No module named 'pkg_resources'"* && $old == *plugins ]]
