# kombu 5.7.0: JSON of a task whose own data hold exactly __type__ and __value__ does not come back: {"__type__": "decimal", "__value__": "1"} becomes Decimal('1'), a type that kombu does not know ("customer") raises ValueError at the worker
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check kombu==5.7.0
cat > "$folder/expected" <<'END'
{'__type__': 'decimal', '__value__': '1'} -> Decimal('1')
{'__type__': 'customer', '__value__': 3} -> ValueError Unsupported type
{'__type__': 'customer', 'name': 'Ann'} -> {'__type__': 'customer', 'name': 'Ann'}
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
from kombu.utils.json import dumps, loads
for data in [{"__type__": "decimal", "__value__": "1"}, {"__type__": "customer", "__value__": 3}, {"__type__": "customer", "name": "Ann"}]:
    try:
        print(data, "->", repr(loads(dumps(data))))
    except ValueError as error:
        print(data, "->", type(error).__name__, error.args[0])
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
