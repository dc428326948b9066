package amaterasu.resolver;

import coursierapi.error.CoursierError;
import coursierapi.error.DownloadingArtifactsError;
import coursierapi.error.MultipleResolutionError;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * coursier tells its errors as text: under each artifact one line per place it looked at, "kind: what". This reads them: which class
 * of error the whole is, and one line per artifact for a person.
 */
final class Errors {
    private static final int SHOWN = 8;
    private static final Pattern ARTIFACT = Pattern.compile("Error downloading ([^:\\s]+:[^:\\s]+:\\S*)");
    private static final Pattern CAUGHT = Pattern.compile("Caught (?:[a-z.]+\\.)?(?<class>\\w+)(?: \\((?<text>.*)\\))?"
        + "(?: while downloading (?<place>\\w+://[^/]+).*)?$");
    private static final Pattern WRONG = Pattern.compile("wrong checksum: (?:.*/)?(?<file>[^/ ]+)"
        + " \\(expected (?<kind>\\S+) (?<expected>\\w+) in .*, got (?<got>\\w+)\\)");

    /** What a line is about. The worst of an artifact's lines counts, the first of these being the worst. */
    private enum Sign {
        POLICY(Failure.Kind.URL, line -> line.contains(Guard.MARK)),
        SPACE(Failure.Kind.NOSPACE, line -> line.contains("No space left on device") || line.contains("Disk quota exceeded")),
        CHECKSUM(Failure.Kind.INTEGRITY, line -> line.startsWith("wrong checksum") || line.startsWith("checksum")),
        CREDENTIALS(Failure.Kind.AUTH, line -> line.startsWith("unauthorized:") || line.startsWith("forbidden:")),
        // a repository that is down may have what another does not
        NETWORK(Failure.Kind.UNREACHABLE, line -> line.startsWith("download error") || line.contains("server error:")
            || line.startsWith("retryable HTTP error") || line.startsWith("wrong length")),
        MISSING(Failure.Kind.NOT_FOUND, line -> line.startsWith("not found:") || line.startsWith("file in cache not found")),
        // nothing that a cache says: then it is the description's content
        CONTENT(Failure.Kind.INTEGRITY, line -> true);

        final Failure.Kind kind;
        private final java.util.function.Predicate<String> matches;

        Sign(Failure.Kind kind, java.util.function.Predicate<String> matches) {
            this.kind = kind;
            this.matches = matches;
        }

        static Sign of(String line) {
            for (Sign sign : values())
                if (sign.matches.test(line))
                    return sign;
            throw new IllegalStateException(); // the last matches everything
        }
    }

    private final Request request;
    private final String central;
    private final Map<String, List<String>> byArtifact = new TreeMap<>();

    private Errors(Request request, String central) {
        this.request = request;
        this.central = central;
    }

    static Failure of(CoursierError error, Request request, String central) {
        Errors errors = new Errors(request, central);
        if (error instanceof DownloadingArtifactsError)
            ((DownloadingArtifactsError) error).getErrors().forEach((url, text) ->
                errors.lines(errors.artifact(url)).add(text.trim()));
        else if (error instanceof MultipleResolutionError)
            ((MultipleResolutionError) error).getErrors().forEach(one -> errors.read(one.getMessage()));
        else
            errors.read(error.getMessage());
        return errors.failure(error.getMessage());
    }

    private List<String> lines(String artifact) {
        return byArtifact.computeIfAbsent(artifact, key -> new ArrayList<>());
    }

    private void read(String text) {
        List<String> lines = null;
        for (String line : text.split("\n")) {
            Matcher head = ARTIFACT.matcher(line);
            if (head.find())
                lines = lines(head.group(1));
            else if (lines != null && !line.isBlank())
                lines.add(line.trim());
        }
    }

    private Failure failure(String whole) {
        Sign worst = Sign.CONTENT;
        List<String> texts = new ArrayList<>();
        for (List<String> lines : byArtifact.values())
            worst = worse(worst, worst(lines));
        for (Map.Entry<String, List<String>> one : byArtifact.entrySet())
            if (worst(one.getValue()) == worst)
                texts.add(describe(one.getKey(), worst, one.getValue()));
        if (texts.isEmpty())
            return new Failure(worst.kind, whole.trim().replaceAll("\\s*\n\\s*", "; "));
        String text = String.join("; ", texts.subList(0, Math.min(SHOWN, texts.size())));
        if (texts.size() > SHOWN)
            text += "; and " + (texts.size() - SHOWN) + " more";
        if (worst == Sign.MISSING && !request.offline && request.repositories.stream().noneMatch(Request.Repo::isCentral))
            text += " (the central repository is not among those named)";
        return new Failure(worst.kind, text);
    }

    private static Sign worse(Sign one, Sign other) {
        return one.ordinal() < other.ordinal() ? one : other;
    }

    private static Sign worst(List<String> lines) {
        return lines.stream().map(Sign::of).reduce(Sign.CONTENT, Errors::worse);
    }

    private String describe(String artifact, Sign sign, List<String> lines) {
        if (sign == Sign.MISSING)
            return artifact + (request.offline ? " is not in the cache, and this is an offline request"
                : " not found in " + String.join(", ", repositories(lines)));
        Set<String> why = new LinkedHashSet<>();
        for (String line : lines)
            if (Sign.of(line) == sign)
                why.add(shorten(line));
        String text = artifact + ": " + String.join(", ", why);
        return sign != Sign.CREDENTIALS ? text : text + " (the repository refused " + (isKnown(lines)
            ? "the user name or password)" : "access, and no credentials are known for it)");
    }

    /** Names of exceptions and folders of the cache say little to people; the server at the end says much. */
    private static String shorten(String line) {
        Matcher wrong = WRONG.matcher(line), caught = CAUGHT.matcher(line);
        if (wrong.find())
            return wrong.group("file") + " has the " + wrong.group("kind") + " " + wrong.group("got") + ", its repository says "
                + wrong.group("expected");
        if (!caught.find())
            return line;
        String text = caught.group("text") == null ? caught.group("class") : caught.group("text");
        return caught.group("place") == null ? text : caught.group("place") + ": " + text;
    }

    private String base(Request.Repo repo) {
        return (repo.isCentral() ? central : repo.url()).replaceFirst("/+$", "") + "/";
    }

    private boolean isKnown(List<String> lines) {
        return request.repositories.stream().anyMatch(repo -> repo.user() != null
            && lines.stream().anyMatch(line -> line.contains(base(repo))));
    }

    private Set<String> repositories(List<String> lines) {
        Set<String> ids = new LinkedHashSet<>(), all = new LinkedHashSet<>();
        for (Request.Repo repo : request.repositories) {
            all.add(repo.id());
            if (lines.stream().anyMatch(line -> line.contains(base(repo))))
                ids.add(repo.id());
        }
        return ids.isEmpty() ? all : ids;
    }

    /** Of a file's address; without the group if it is of no repository that we know. */
    private String artifact(String url) {
        for (Request.Repo repo : request.repositories)
            if (url.startsWith(base(repo)))
                return Coordinates.ofPath(url.substring(base(repo).length()));
        return Coordinates.ofUrl(url);
    }
}
