package amaterasu.resolver;

import coursierapi.error.CoursierError;
import coursierapi.error.DownloadingArtifactsError;
import coursierapi.error.MultipleResolutionError;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * coursier tells its errors as text, one line per place it looked at. This reads them: which class of error the whole is, and one
 * line per artifact for a person.
 */
final class Errors {
    private static final int SHOWN = 8;
    private static final Pattern ARTIFACT = Pattern.compile("Error downloading ([^:\\s]+:[^:\\s]+:\\S+)");

    /** Words that tell a class. The first row that matches a line counts; a line that none matches belongs to the line before. */
    private enum Sign {
        POLICY(Failure.Kind.URL, Guard.MARK),
        SPACE(Failure.Kind.NOSPACE, "No space left on device", "Disk quota exceeded"),
        CHECKSUM(Failure.Kind.INTEGRITY, "wrong checksum", "checksum not found", "checksum format error", "checksum errors",
            "xml", "SAXParse"),
        CREDENTIALS(Failure.Kind.AUTH, "unauthorized:", "forbidden:"),
        OFFLINE(Failure.Kind.NOT_FOUND, "file in cache not found"),
        MISSING(Failure.Kind.NOT_FOUND, "not found:"),
        NETWORK(Failure.Kind.UNREACHABLE, "download error", "Caught ", "server error", "HTTP error", "wrong length");

        final Failure.Kind kind;
        final String[] words;

        Sign(Failure.Kind kind, String... words) {
            this.kind = kind;
            this.words = words;
        }

        static Sign of(String line) {
            for (Sign sign : values())
                for (String word : sign.words)
                    if (line.contains(word))
                        return sign;
            return null;
        }
    }

    private final Request request;
    private final String central;
    private final Map<String, List<String>> byArtifact = new LinkedHashMap<>();

    private Errors(Request request, String central) {
        this.request = request;
        this.central = central;
    }

    static Failure of(CoursierError error, Request request, String central) {
        Errors errors = new Errors(request, central);
        if (error instanceof DownloadingArtifactsError)
            ((DownloadingArtifactsError) error).getErrors().forEach((url, text) ->
                errors.byArtifact.computeIfAbsent(Coordinates.ofUrl(url), k -> new ArrayList<>()).add(text));
        else if (error instanceof MultipleResolutionError)
            ((MultipleResolutionError) error).getErrors().forEach(one -> errors.read(one.getMessage()));
        else
            errors.read(error.getMessage());
        return errors.failure(error);
    }

    private void read(String text) {
        List<String> lines = null;
        for (String line : text.split("\n")) {
            Matcher head = ARTIFACT.matcher(line);
            if (head.find())
                lines = byArtifact.computeIfAbsent(head.group(1), k -> new ArrayList<>());
            else if (lines != null && !line.isBlank())
                lines.add(line.trim());
        }
    }

    private Failure failure(CoursierError error) {
        Sign worst = null;
        List<String> texts = new ArrayList<>();
        for (Map.Entry<String, List<String>> one : byArtifact.entrySet()) {
            Sign sign = worst(one.getValue());
            if (worst == null || sign.ordinal() < worst.ordinal()) {
                worst = sign;
                texts.clear();
            }
            if (sign == worst)
                texts.add(describe(one.getKey(), sign, one.getValue()));
        }
        if (worst == null)
            return new Failure(Sign.of(error.getMessage()) == null ? Failure.Kind.NOT_FOUND : Sign.of(error.getMessage()).kind,
                error.getMessage().replaceAll("\\s*\n\\s*", "; "));
        String rest = texts.size() > SHOWN ? "; and " + (texts.size() - SHOWN) + " more" : "";
        return new Failure(worst.kind, String.join("; ", texts.subList(0, Math.min(SHOWN, texts.size()))) + rest);
    }

    /** Missing here and refused there: what is refused may be what is missing. */
    private static Sign worst(List<String> lines) {
        Sign worst = null;
        for (String line : lines) {
            Sign sign = Sign.of(line);
            if (sign != null && (worst == null || sign.ordinal() < worst.ordinal()))
                worst = sign;
        }
        return worst == null ? Sign.NETWORK : worst;
    }

    private String describe(String artifact, Sign sign, List<String> lines) {
        if (sign == Sign.MISSING)
            return artifact + " not found in " + String.join(", ", repositories(lines));
        if (sign == Sign.OFFLINE)
            return artifact + " is not in the cache, and this is an offline request";
        Set<String> why = new LinkedHashSet<>();
        for (String line : lines)
            if (Sign.of(line) == sign)
                why.add(line.replaceFirst("^download error: ", "").replaceFirst(" while downloading .*", "")
                    .replaceFirst("^Caught (java\\.\\S*\\.)?", "").replaceFirst("SecurityException: ", ""));
        return artifact + ": " + String.join(", ", why)
            + (sign == Sign.CREDENTIALS ? " (the repository refused " + whose(lines) + ")" : "");
    }

    private String whose(List<String> lines) {
        boolean any = false;
        for (Request.Repo repo : request.repositories)
            any |= repo.user() != null && lines.stream().anyMatch(line -> line.contains(repo.url()));
        return any ? "the user name or password" : "access, and no credentials are known for it";
    }

    private Set<String> repositories(List<String> lines) {
        Set<String> ids = new LinkedHashSet<>();
        for (Request.Repo repo : request.repositories)
            if (lines.stream().anyMatch(line -> line.contains(repo.isCentral() ? central : repo.url())))
                ids.add(repo.id());
        if (ids.isEmpty())
            for (Request.Repo repo : request.repositories)
                ids.add(repo.id());
        return ids;
    }
}
