# celery 5.7.0: with the threads pool a task goes on past its time_limit and soft_time_limit, and nothing says so: limits of 1 s and 2 s, a task of 4 s, state SUCCESS
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check celery==5.7.0 kombu==5.7.0
mkdir "$folder/results"
cat > "$folder/expected" <<'END'
threads: SUCCESS 'slept'
END
cd "$folder"
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import time
from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("limits", broker="memory://", backend="file://results")

@app.task(soft_time_limit=1, time_limit=2)
def sleep():
    time.sleep(4)
    return "slept"

with start_worker(app, pool="threads", concurrency=1, perform_ping_check=False, shutdown_timeout=30, loglevel="critical"):
    result = sleep.delay()
    value = result.get(timeout=30)
    print("threads:", result.state, repr(value))
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
