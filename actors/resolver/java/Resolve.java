package amaterasu.resolver;

import coursierapi.Artifact;
import coursierapi.Cache;
import coursierapi.Credentials;
import coursierapi.Dependency;
import coursierapi.Fetch;
import coursierapi.FetchResult;
import coursierapi.MavenRepository;
import coursierapi.Repository;
import coursierapi.error.CoursierError;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.ProxySelector;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Maven coordinates become files: one request on standard input, the answer on standard output, then the end. The resolver actor's
 * child, started by resolve.sh; README.md has the lines. Exit 0 if the request was answered, 1 if it failed and said why.
 */
public final class Resolve {
    private final Request request;
    private final Lines lines;
    private final Guard guard;
    private final Progress progress;
    private List<Dependency> dependencies = List.of();

    private Resolve(Request request, Lines lines, Guard guard) {
        this.request = request;
        this.lines = lines;
        this.guard = guard;
        this.progress = new Progress(lines, guard, request);
    }

    public static void main(String[] args) {
        PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false,
            java.nio.charset.StandardCharsets.UTF_8);
        int code = run(System.in, out);
        out.flush();
        // coursier's threads may still wait for something that no longer matters
        Runtime.getRuntime().halt(code);
    }

    static int run(InputStream in, PrintStream out) {
        Lines lines = new Lines(out);
        try {
            Request request = Request.read(in);
            Guard guard = new Guard(ProxySelector.getDefault());
            ProxySelector.setDefault(guard);
            setUp(request);
            new Resolve(request, lines, guard).answer();
            return 0;
        } catch (Failure e) {
            lines.put("failed", e.word(), e.getMessage());
        } catch (IOException e) {
            boolean full = String.valueOf(e.getMessage()).contains("No space left");
            lines.put("failed", full ? "nospace" : "io", "the cache: " + e);
        }
        return 1;
    }

    /** coursier reads these once, when its first class is used. Where it was packed into one jar, their names changed with its own. */
    private static void setUp(Request request) {
        String prefix = "coursierapi.shaded.coursier.";
        System.setProperty(prefix + "cache", request.cache);
        System.setProperty(prefix + "exception-retry", "1");
        System.setProperty(prefix + "http.maxRedirects", "5");
        if (request.offline)
            System.setProperty(prefix + "mode", "offline");
        java.security.Security.setProperty("networkaddress.cache.ttl", "-1");
    }

    private void answer() throws Failure, IOException {
        Map<Artifact, File> files = fetch();
        Map<Artifact, String> damaged = damaged(files);
        if (!damaged.isEmpty() && !request.offline) { // in the cache, since; a download is checked by coursier
            for (Artifact one : damaged.keySet())
                Checksums.forget(files.get(one).toPath());
            files = fetch();
            damaged = damaged(files);
        }
        progress.end();
        Coordinates coordinates = new Coordinates(dependencies);
        for (Map.Entry<Artifact, String> one : damaged.entrySet())
            throw new Failure(Failure.Kind.INTEGRITY, coordinates.of(one.getKey().getUrl()) + ": " + one.getValue());
        for (String url : progress.unchecked())
            throw new Failure(Failure.Kind.INTEGRITY, "the repository has no SHA-1 for " + url);
        refuseGaps(coordinates, files);
        for (Map.Entry<Artifact, File> one : files.entrySet())
            lines.put("file", coordinates.of(one.getKey().getUrl()), one.getValue().length(), one.getValue().getPath());
        lines.put("done", files.size(), progress.downloads());
    }

    private Cache cache() {
        return Cache.create().withLocation(new File(request.cache)).withLogger(progress);
    }

    private Fetch asked() {
        Fetch fetch = Fetch.create().withRepositories(repositories()).withCache(cache())
            .withResolutionParams(Provided.without());
        for (Request.Wanted one : request.artifacts)
            fetch.addDependencies(Dependency.of(one.group(), one.name(), one.version()));
        return fetch;
    }

    /** What it comes to is looked at first, without its files: which SDK the wanted are made for. */
    private Fetch lean() throws CoursierError {
        return Sdk.lean(asked(), asked().withResolutionParams(Sdk.without()).withArtifactTypes(Set.of("none")).fetchResult().getDependencies());
    }

    private Map<Artifact, File> fetch() throws Failure {
        try {
            FetchResult result = (request.lean ? lean() : asked()).fetchResult();
            Map<Artifact, File> files = new LinkedHashMap<>();
            for (Map.Entry<Artifact, File> one : result.getArtifacts())
                files.putIfAbsent(one.getKey(), one.getValue());
            dependencies = result.getDependencies();
            return files;
        } catch (CoursierError e) {
            throw Errors.of(e, request, Repository.central().getBase());
        } catch (OutOfMemoryError e) {
            throw e;
        } catch (Throwable e) { // what a description says is checked by assertions, too
            throw unusable(e);
        }
    }

    private Failure unusable(Throwable e) {
        Throwable why = e;
        List<String> broken = new ArrayList<>();
        while (why.getCause() != null)
            why = why.getCause();
        for (String url : progress.descriptions())
            try {
                Description.read(file(url));
            } catch (IOException | RuntimeException unread) {
                broken.add(url);
            }
        return new Failure(Failure.Kind.INTEGRITY, (broken.isEmpty() ? "a description" : String.join(", ", broken))
            + " can not be used: " + why.getMessage());
    }

    /** Of an address that was read before, from the cache. */
    private Path file(String url) {
        Credentials credentials = request.repositories.stream().filter(repo -> !repo.isCentral() && url.startsWith(repo.url()))
            .findFirst().map(Request.Repo::credentials).orElse(null);
        return cache().get(Artifact.of(url, false, false, credentials)).toPath();
    }

    private Repository[] repositories() {
        return request.repositories.stream().map(repo -> {
            if (repo.isCentral())
                return Repository.central();
            guard.allow(repo.url());
            return MavenRepository.of(repo.url()).withCredentials(repo.credentials());
        }).toArray(Repository[]::new);
    }

    /** A library whose description is there and whose jar is not: coursier goes on without it, and the job would fail later. */
    private void refuseGaps(Coordinates coordinates, Map<Artifact, File> files) throws Failure, IOException {
        List<String> gaps = new ArrayList<>();
        Set<String> places = new HashSet<>();
        files.keySet().forEach(file -> places.add(coordinates.place(file.getUrl())));
        for (Dependency one : dependencies) {
            String place = Coordinates.place(one), url = progress.description(place);
            if (places.contains(place) || url == null || !Description.isJarType(one.getType()))
                continue;
            if (Description.read(file(url)).promisesJar())
                gaps.add(one.getModule().getOrganization() + ":" + one.getModule().getName() + ":" + one.getVersion());
        }
        if (!gaps.isEmpty())
            throw new Failure(Failure.Kind.NOT_FOUND, "the jar of " + String.join(", ", gaps) + " not found in "
                + request.repositories.stream().map(Request.Repo::id).collect(Collectors.joining(", "))
                + (request.offline ? " (offline)" : ""));
    }

    /** Files that are not what their repository says, and what is wrong with them. */
    private static Map<Artifact, String> damaged(Map<Artifact, File> files) throws IOException {
        Map<Artifact, String> damaged = new LinkedHashMap<>();
        for (Map.Entry<Artifact, File> one : files.entrySet()) {
            String wrong = Checksums.verify(one.getValue().toPath());
            if (wrong != null)
                damaged.put(one.getKey(), wrong);
        }
        return damaged;
    }
}
