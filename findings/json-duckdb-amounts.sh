# duckdb 2.0.1: the cents of {"amount": 12345678901234567.89} are gone after ->> (12345678901234568.0, also when cast to decimal), json_merge_patch and json_group_array; the JSON value itself and from_json with DECIMAL(38,2) keep them, and read_json makes DOUBLE of it and of a long integer
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export FOLDER=$folder
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.1
cat > "$folder/expected" <<'END'
as it is          [('{"wei":25000000000000000001,"amount":12345678901234567.89}',)]
->>               [('25000000000000000001', '12345678901234568.0')]
->> as decimal    [(Decimal('12345678901234568.00'),)]
json_merge_patch  [('{"wei":25000000000000000001,"amount":12345678901234568.0}',)]
json_group_array  [('[{"wei":25000000000000000001,"amount":12345678901234568.0}]',)]
from_json         [({'wei': 25000000000000000001, 'amount': Decimal('12345678901234567.89')},)]
read_json         [('DOUBLE', 2.5e+19, 'DOUBLE')]
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import json, os, duckdb
text = '{"wei":25000000000000000001,"amount":12345678901234567.89}'
database = duckdb.connect()
def show(name, query):
    print(f'{name:17}', database.execute(query).fetchall())
show('as it is', f"select '{text}'::json")
show('->>', f"select '{text}'::json->>'wei', '{text}'::json->>'amount'")
show('->> as decimal', f"select ('{text}'::json->>'amount')::decimal(38,2)")
show('json_merge_patch', f"select json_merge_patch('{text}'::json, '{{}}'::json)")
show('json_group_array', f"select json_group_array('{text}'::json)")
show('from_json', f"select from_json('{text}'::json, '{{\"wei\":\"HUGEINT\",\"amount\":\"DECIMAL(38,2)\"}}')")
name = os.path.join(os.environ['FOLDER'], 'jobs.ndjson')
with open(name, 'w') as file:
    file.write(text)
show('read_json', f"select typeof(wei), wei, typeof(amount) from read_json('{name}')")
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
