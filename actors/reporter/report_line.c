/* report_line.c - the line format of a report file. Called by the store and the core; pure. */
#include "actors/reporter/report_line.h"

#include "actors/base/ama_err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { CRC_DIGITS = 8 };

/* CRC-32 of IEEE 802.3; zlib's takes a tenth of the time of a table of our own. */
static uint32_t crc_of (const char *bytes, size_t size)
{
    return (uint32_t) crc32_z (0, (const unsigned char *) bytes, size);
}

/* Numbers of a line, written by hand: this is done for every event. */
static char *put_number (char *at, uint64_t number)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char) ('0' + number % 10);
    while (number /= 10);
    while (n)
        *at++ = digits[--n];
    *at++ = ' ';
    return at;
}

void ama_report_line_add (const ama_report_record_t *record, ama_str_t *out)
{
    static const char hex[] = "0123456789abcdef";
    size_t start = out->size;
    char head[160], *at = head + CRC_DIGITS;
    uint32_t crc;

    memset (head, '0', CRC_DIGITS);
    *at++ = ' ';
    at = put_number (at, record->seq);
    at = put_number (at, record->prev);
    at = put_number (at, record->artifact);
    *at++ = record->code ? 'c' : 'e';
    *at++ = ' ';
    at = put_number (at, (uint64_t) record->type);
    (void) ama_id_text (record->source, at);
    at += AMA_ID_TEXT - 1;
    *at++ = ' ';
    at = put_number (at, record->no);
    ama_str_reserve (out, (size_t) (at - head) + record->json_size + 1);
    ama_str_add (out, head, (size_t) (at - head));
    ama_str_add (out, record->json, record->json_size);
    crc = crc_of (out->data + start + CRC_DIGITS, out->size - start - CRC_DIGITS);
    for (size_t i = 0; i < CRC_DIGITS; i++)
        out->data[start + i] = hex[crc >> (28 - 4 * i) & 15];
    ama_str_putc (out, '\n');
}

/* A decimal number and the space behind it; moves *at. */
static bool take_number (const char **at, const char *end, uint64_t *ret_value)
{
    const char *start = *at;
    uint64_t value = 0;

    while (*at < end && **at >= '0' && **at <= '9') {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t) (*(*at)++ - '0');
    }
    if (*at == start || *at == end || *(*at)++ != ' ')
        return false;
    *ret_value = value;
    return true;
}

static bool take_level (const char **at, const char *end, bool *ret_code)
{
    if (end - *at < 2 || ((*at)[0] != 'c' && (*at)[0] != 'e') || (*at)[1] != ' ')
        return false;
    *ret_code = (*at)[0] == 'c';
    *at += 2;
    return true;
}

static bool take_source (const char **at, const char *end, ama_id_t *ret_source)
{
    char text[AMA_ID_TEXT];

    if (end - *at < AMA_ID_TEXT || (*at)[AMA_ID_TEXT - 1] != ' ')
        return false;
    memcpy (text, *at, AMA_ID_TEXT - 1);
    text[AMA_ID_TEXT - 1] = '\0';
    *at += AMA_ID_TEXT;
    return ama_id_parse (text, ret_source) == 0;
}

static bool crc_matches (const char *line, size_t size)
{
    uint32_t crc = 0;

    if (size <= CRC_DIGITS || line[CRC_DIGITS] != ' ')
        return false;
    for (size_t i = 0; i < CRC_DIGITS; i++) {
        bool is_letter = line[i] >= 'a' && line[i] <= 'f';
        if (!is_letter && (line[i] < '0' || line[i] > '9'))
            return false;
        crc = (crc << 4) | (uint32_t) (line[i] - (is_letter ? 'a' - 10 : '0'));
    }
    return crc == crc_of (line + CRC_DIGITS, size - CRC_DIGITS);
}

int ama_report_line_parse (const char *line, size_t size, ama_report_record_t *ret_record)
{
    const char *at = line + CRC_DIGITS + 1, *end = line + size;
    ama_report_record_t record = { 0 };
    uint64_t type;

    if (!crc_matches (line, size))
        return AMA_E_INTEGRITY;
    if (!take_number (&at, end, &record.seq) || !take_number (&at, end, &record.prev)
        || !take_number (&at, end, &record.artifact) || !take_level (&at, end, &record.code)
        || !take_number (&at, end, &type) || type > AMA_EVENT_TYPE_PROGRESS || !take_source (&at, end, &record.source)
        || !take_number (&at, end, &record.no))
        return AMA_E_INTEGRITY;
    record.type = (ama_event_type_t) type;
    record.json = at;
    record.json_size = (size_t) (end - at);
    *ret_record = record;
    return 0;
}
