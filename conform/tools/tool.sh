# How Kafka's console tools are called, for the suites that do; `$libs`, `$bootstrap` and `$scratch`
# are theirs.

# java_tool CLASS ARGUMENTS...: the first call of a tool leaves an archive of its classes, which
# halves the start of the later ones.
java_tool() {
  local class=$1 archive="$libs/../$1.jsa" share; shift
  share=-XX:SharedArchiveFile=$archive
  [ -f "$archive" ] || share=-XX:ArchiveClassesAtExit=$archive
  exec java -Xmx256M -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:disable \
    "$share" -cp "$libs/*" "$class" --bootstrap-server "$bootstrap" "$@" 2>>"$scratch/tool.log"
}
