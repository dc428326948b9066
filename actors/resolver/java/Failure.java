package amaterasu.resolver;

/** Why a request can not be answered: a class that the actor branches on, and a text for a person. */
final class Failure extends Exception {
    enum Kind { NOT_FOUND, UNREACHABLE, AUTH, INTEGRITY, URL, TIMEOUT, LIMIT, NOSPACE, REQUEST }

    private static final long serialVersionUID = 1L;
    final Kind kind;

    Failure(Kind kind, String text) {
        super(text);
        this.kind = kind;
    }

    /** The word on the wire. */
    String word() {
        return kind.name().toLowerCase(java.util.Locale.ROOT);
    }
}
