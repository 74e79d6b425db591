# celery 5.7.0 crontab(minute='*/15') in Europe/Berlin, 25 October 2026: silent from 02:45+0200 to 03:00+0100, 75 minutes; croniter 7.0.0 and APScheduler 3.11.3 run "30 2 * * *" twice that night (02:30+0200, 02:30+0100), cronsim 2.8 once
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check celery==5.7.0 croniter==7.0.0 APScheduler==3.11.3 cronsim==2.8 tzdata
cat > "$folder/expected" <<'END'
celery */15              25T02:00+0200 25T02:15+0200 25T02:30+0200 25T02:45+0200 25T03:00+0100 25T03:15+0100
celery 30 2              25T02:30+0200 26T02:30+0100
apscheduler */15 * * * * 25T02:00+0200 25T02:15+0200 25T02:30+0200 25T02:45+0200 25T02:00+0100 25T02:15+0100
croniter */15 * * * *    25T02:00+0200 25T02:15+0200 25T02:30+0200 25T02:45+0200 25T02:00+0100 25T02:15+0100
cronsim */15 * * * *     25T02:00+0200 25T02:15+0200 25T02:30+0200 25T02:45+0200 25T02:00+0100 25T02:15+0100
apscheduler 30 2 * * *   25T02:30+0200 25T02:30+0100
croniter 30 2 * * *      25T02:30+0200 25T02:30+0100
cronsim 30 2 * * *       25T02:30+0200 26T02:30+0100
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import datetime as dt, zoneinfo
from apscheduler.triggers.cron import CronTrigger
from celery import Celery
from celery.schedules import crontab
from croniter import croniter
from cronsim import CronSim

zone = zoneinfo.ZoneInfo('Europe/Berlin')
start = dt.datetime(2026, 10, 25, 1, 50, tzinfo=zone)
app = Celery('demo', broker='memory://', set_as_current=False)
app.conf.timezone = 'Europe/Berlin'

def celery(count, **spec):
    # The beat's question, asked every five minutes.
    now, last = start, start
    schedule = crontab(nowfun=lambda: now, app=app, **spec)
    while count:
        now = (now.astimezone(dt.timezone.utc) + dt.timedelta(minutes=5)).astimezone(zone)
        if schedule.is_due(last)[0]:
            last = now
            count -= 1
            yield now

def apscheduler(count, text):
    trigger, last = CronTrigger.from_crontab(text, timezone=zone), None
    for _ in range(count):
        last = trigger.get_next_fire_time(last, last or start)
        yield last

def show(name, times):
    print(f'{name:24}', ' '.join(f'{time:%dT%H:%M%z}' for time in times))

show('celery */15', celery(6, minute='*/15'))
show('celery 30 2', celery(2, hour=2, minute=30))
for text in ['*/15 * * * *', '30 2 * * *']:
    count = 6 if '/' in text else 2
    show('apscheduler ' + text, apscheduler(count, text))
    following = croniter(text, start)
    show('croniter ' + text, [following.get_next(dt.datetime) for _ in range(count)])
    following = CronSim(text, start)
    show('cronsim ' + text, [next(following) for _ in range(count)])
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
