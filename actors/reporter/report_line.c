/* report_line.c - the line format of a report file. Called by the store and the core; pure. */
#include "actors/reporter/report_line.h"

#include "actors/base/ama_err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CRC_DIGITS = 8 };

/* CRC-32 of IEEE 802.3, four bits a step. */
static uint32_t crc32 (const char *bytes, size_t size)
{
    static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char) bytes[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

void ama_report_line_add (const ama_report_record_t *record, ama_str_t *out)
{
    size_t start = out->size;
    char source[AMA_ID_TEXT], crc[CRC_DIGITS + 1];

    ama_str_printf (out, "00000000 %" PRIu64 " %" PRIu64 " %" PRIu64 " %c %d %s %" PRIu64 " ", record->seq,
                    record->prev, record->artifact, record->code ? 'c' : 'e', (int) record->type,
                    ama_id_text (record->source, source), record->no);
    ama_str_add (out, record->json, record->json_size);
    snprintf (crc, sizeof crc, "%08" PRIx32, crc32 (out->data + start + CRC_DIGITS, out->size - start - CRC_DIGITS));
    memcpy (out->data + start, crc, CRC_DIGITS);
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
        const char *digit = strchr ("0123456789abcdef", line[i]);
        if (!digit || !line[i])
            return false;
        crc = (crc << 4) | (uint32_t) (digit - "0123456789abcdef");
    }
    return crc == crc32 (line + CRC_DIGITS, size - CRC_DIGITS);
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
