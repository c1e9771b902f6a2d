#!/usr/bin/env bash
# apache-flink 2.2.1 (PyFlink, process mode): MapState.put_all of a dict keeps the letters of its keys, and loses its values.
#
# Guess: put_all({"us": "dollar", "eu": "euro"}) stores two entries, as `put` twice would; its signature says Dict[K, V]. Seen: it walks the
# keys and takes each apart into a key and a value: the state holds u -> s and e -> u, without an error. Keys of another length are a
# ValueError. A job whose keys are country codes or two-part tuples goes on with a state that is nonsense. `put` in a loop is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3.11}" -m venv "$work/env"
"$work/env/bin/pip" install --quiet "setuptools<80" wheel
"$work/env/bin/pip" install --quiet apache-flink==2.2.1
cat > "$work/job.py" <<'PY'
import sys

from pyflink.common import Configuration, Types
from pyflink.datastream import KeyedProcessFunction, StreamExecutionEnvironment
from pyflink.datastream.state import MapStateDescriptor


class Remember(KeyedProcessFunction):
    def open(self, context):
        self.state = context.get_map_state(MapStateDescriptor("currencies", Types.STRING(), Types.STRING()))

    def process_element(self, value, context):
        self.state.put_all({"us": "dollar", "eu": "euro"})
        yield f"put_all kept {sorted(self.state.items())}"
        self.state.clear()
        for name, currency in {"us": "dollar", "eu": "euro"}.items():
            self.state.put(name, currency)
        yield f"put kept {sorted(self.state.items())}"
        try:
            self.state.put_all({"usd": "dollar"})
        except ValueError as error:
            yield f"three letters: {error}"


config = Configuration()
config.set_string("python.executable", sys.executable)
environment = StreamExecutionEnvironment.get_execution_environment(config)
environment.set_parallelism(1)
rows = environment.from_collection([("k", 1)], type_info=Types.TUPLE([Types.STRING(), Types.INT()]))
said = rows.key_by(lambda row: row[0], key_type=Types.STRING()).process(Remember(), output_type=Types.STRING())
with said.execute_and_collect() as found:
    print("\n".join(found))
PY
"$work/env/bin/python" "$work/job.py" 2> "$work/log" | grep -E "kept|letters" | tee "$work/said" || { tail -20 "$work/log"; exit 1; }
grep -qF "put_all kept [('e', 'u'), ('u', 's')]" "$work/said"
grep -qF "put kept [('eu', 'euro'), ('us', 'dollar')]" "$work/said"
grep -qF "three letters: too many values to unpack" "$work/said"
