# pydantic 2.14.4: a Decimal field read from JSON goes by way of a float, so the number 12345678901234567.89 becomes Decimal('12345678901234568'); as a string it is exact, and so is json.loads with parse_float
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pydantic==2.14.4
cat > "$folder/expected" <<'END'
number       Decimal('12345678901234568')
string       Decimal('12345678901234567.89')
parse_float  Decimal('12345678901234567.89')
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import json
from decimal import Decimal
from pydantic import BaseModel

class Invoice(BaseModel):
    amount: Decimal

number = "{\"amount\": 12345678901234567.89}"
print("number      ", repr(Invoice.model_validate_json(number).amount))
print("string      ", repr(Invoice.model_validate_json("{\"amount\": \"12345678901234567.89\"}").amount))
print("parse_float ", repr(Invoice.model_validate(json.loads(number, parse_float=Decimal)).amount))
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
