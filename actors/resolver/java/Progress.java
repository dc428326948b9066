package amaterasu.resolver;

import coursierapi.Artifact;
import coursierapi.CacheLogger;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What coursier's cache tells while it works, from its own threads: counted for people, and remembered for the checks afterwards.
 */
final class Progress implements CacheLogger {
    private static final long EVERY_MS = 200;

    private final Lines lines;
    private final Guard guard;
    private final Request request;
    private final Map<String, Long> bytes = new ConcurrentHashMap<>();
    private final Map<String, Long> lengths = new ConcurrentHashMap<>();
    private final Set<String> have = ConcurrentHashMap.newKeySet();
    private final Set<String> downloaded = ConcurrentHashMap.newKeySet();
    private long told;

    Progress(Lines lines, Guard guard, Request request) {
        this.lines = lines;
        this.guard = guard;
        this.request = request;
    }

    /** Files that were transferred, without checksums. */
    int downloads() {
        return (int) downloaded.stream().filter(url -> !isChecksum(url)).count();
    }

    /** Files that are there without a checksum from their repository. */
    Iterable<String> unchecked() {
        return have.stream().filter(url -> isDescription(url) && !have.contains(url + ".sha1")).sorted().toList();
    }

    /** The address of a description that was read, by the folder it lies in; NULL if there was none. */
    String description(String place) {
        return have.stream().filter(url -> isDescription(url) && url.contains("/" + place + "/")).findFirst().orElse(null);
    }

    List<String> descriptions() {
        return have.stream().filter(Progress::isDescription).sorted().toList();
    }

    static boolean isChecksum(String url) {
        return url.endsWith(".sha1");
    }

    private static boolean isDescription(String url) {
        return url.endsWith(".pom");
    }

    @Override
    public void checkingArtifact(String url, Artifact artifact) {
        guard.allow(url);
    }

    @Override
    public void gettingLength(String url) {
        guard.allow(url);
    }

    @Override
    public void checkingUpdates(String url, Long current) {
        guard.allow(url);
    }

    @Override
    public void downloadingArtifact(String url, Artifact artifact) {
        guard.allow(url);
    }

    @Override
    public void foundLocally(String url) {
        have.add(url);
    }

    @Override
    public void downloadLength(String url, long total, long already, boolean watching) {
        lengths.put(url, total);
        limit(url, total);
        tell();
    }

    @Override
    public void downloadProgress(String url, long now) {
        bytes.put(url, now);
        limit(url, now);
        tell();
    }

    @Override
    public void downloadedArtifact(String url, boolean success) {
        if (success) {
            have.add(url);
            downloaded.add(url);
        }
        tell();
    }

    /** Not by an exception: this is coursier's thread, and it would take one for a reason to try again. */
    private void limit(String url, long size) {
        long total = bytes.values().stream().mapToLong(Long::longValue).sum();
        if (size <= request.fileBytesMax && total <= request.totalBytesMax)
            return;
        lines.put("failed", "limit", size > request.fileBytesMax
            ? url + " is larger than " + request.fileBytesMax + " bytes"
            : "more than " + request.totalBytesMax + " bytes in all");
        Runtime.getRuntime().halt(1);
    }

    private synchronized void tell() {
        long now = System.nanoTime() / 1_000_000;
        if (now - told < EVERY_MS)
            return;
        told = now;
        put();
    }

    /** Where it stands at the end; what came last may have been too soon after what was told before. */
    synchronized void end() {
        if (downloads() > 0)
            put();
    }

    private void put() {
        // a jar is asked for only when all descriptions were read, and then all are
        long jars = lengths.keySet().stream().filter(url -> !isChecksum(url) && !isDescription(url)).count();
        boolean fetching = jars > 0;
        long done = downloaded.stream().filter(url -> !isChecksum(url) && isDescription(url) != fetching).count();
        long size = bytes.entrySet().stream().filter(e -> !isChecksum(e.getKey()) && isDescription(e.getKey()) != fetching)
            .mapToLong(Map.Entry::getValue).sum();
        lines.put("progress", done, fetching ? jars : 0, size);
    }
}
