# pandas 3.1.1: read_json refuses 18446744073709551616 ("Value is too big!") and turns 25000000000000000001, which is larger, into 6553255926290448385 without a word
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pandas==3.1.1
cat > "$folder/expected" <<'END'
18446744073709551615 -> 18446744073709551615 uint64
18446744073709551616 -> ValueError Value is too big!
25000000000000000001 -> 6553255926290448385 int64
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import io, pandas
for text in ["18446744073709551615", "18446744073709551616", "25000000000000000001"]:
    try:
        frame = pandas.read_json(io.StringIO("[{\"wei\": %s}]" % text))
        print(text, "->", frame.wei[0], frame.wei.dtype)
    except ValueError as error:
        print(text, "->", type(error).__name__, str(error).partition(" at ")[0])
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
