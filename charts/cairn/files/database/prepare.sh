# Makes the database on an empty volume, and sees to its users at each start: passwords may have changed since.
# Nobody outside of the pod can connect meanwhile: the server has no port then.
set -eu
home=/var/lib/postgresql
export PGDATA="$home/data"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$home/new" # what an interrupted start has left
  initdb --pgdata="$home/new" --username=postgres --encoding=UTF8 --locale=C --data-checksums \
    --auth-local=peer --auth-host=reject
  mv "$home/new" "$PGDATA"
fi
chmod u=rwx,go= "$PGDATA" # a volume's fsGroup opens it to the group, and Postgres refuses that

postgres -c listen_addresses= -c unix_socket_directories=/tmp -c hba_file=/etc/cairn/pg_hba.conf &
server=$!
trap 'kill -INT $server' TERM INT
until pg_isready --quiet --host=/tmp --username=postgres; do
  kill -0 $server 2>/dev/null || { echo "Postgres has not started" >&2; exit 1; }
  sleep 0.2
done
status=0
psql --quiet --no-psqlrc --host=/tmp --username=postgres --dbname=postgres --file=/etc/cairn/users.sql || status=$?
kill -INT $server
wait $server
exit $status
