# polars 2.1.0: str.json_decode into Decimal(38, 2) reads 12345678901234567.89 as 12345678901234567.68 (neither exact nor the rounded float), an Int128 beside it is exact; json_path_match prints 2.5e+19 for 25000000000000000001
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check polars==2.1.0
cat > "$folder/expected" <<'END'
json_decode      {'wei': 25000000000000000001, 'amount': Decimal('12345678901234567.68')}
json_path_match  2.5e+19
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import polars
text = "{\"wei\": 25000000000000000001, \"amount\": 12345678901234567.89}"
frame = polars.DataFrame({"args": [text]})
typed = polars.Struct({"wei": polars.Int128, "amount": polars.Decimal(38, 2)})
print("json_decode     ", frame.select(polars.col("args").str.json_decode(typed)).item())
print("json_path_match ", frame.select(polars.col("args").str.json_path_match("$.wei")).item())
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
