/* tickets.c: see the header. Start with tls_tickets_use and tls_tickets_refresh. SPDX-License-Identifier: Apache-2.0 */
#include "tls/tickets.h"

#include "base/assert.h"
#include "os/file.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

enum { NAME_BYTES = 16, KEY_BYTES_MAX = 32, FILE_SMALL = 48, FILE_LARGE = 80, KEYS_MAX = 16, PATH_BYTES_MAX = 4096 };

struct key {
    uint8_t name[NAME_BYTES];
    uint8_t mac[KEY_BYTES_MAX], cipher[KEY_BYTES_MAX];
    uint8_t bytes;      /* of mac and cipher: 16 or 32 */
    uint64_t retire_ns; /* when it is forgotten; UINT64_MAX: it is in use */
};

struct keys { /* the first encrypts */
    struct key items[KEYS_MAX];
    size_t count;
};

struct tls_tickets {
    pthread_mutex_t lock; /* guards keys; all else belongs to who refreshes */
    struct keys keys;
    EVP_CIPHER *small, *large; /* fetched once: OpenSSL 3 would search for them at each ticket */
    struct tls_tickets_options options;
    struct file_stamp *stamps;
    uint64_t made_ns; /* when the first key was made here */
};

static bool make_key(struct key *key)
{
    *key = (struct key){.bytes = KEY_BYTES_MAX, .retire_ns = UINT64_MAX};
    return RAND_bytes(key->name, NAME_BYTES) == 1 && RAND_priv_bytes(key->mac, KEY_BYTES_MAX) == 1 &&
           RAND_priv_bytes(key->cipher, KEY_BYTES_MAX) == 1;
}

static bool is_same(const struct key *a, const struct key *b)
{
    return a->bytes == b->bytes && memcmp(a->name, b->name, NAME_BYTES) == 0 &&
           CRYPTO_memcmp(a->mac, b->mac, a->bytes) == 0 && CRYPTO_memcmp(a->cipher, b->cipher, a->bytes) == 0;
}

static bool holds(const struct keys *keys, const struct key *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (is_same(&keys->items[i], key))
            return true;
    return false;
}

/* What was there and is no longer goes on decrypting until it is too old. */
static void keep_old(struct keys *to, const struct keys *from, uint64_t now_ns, uint64_t rotation_ns)
{
    for (size_t i = 0; i < from->count && to->count < KEYS_MAX; i++) {
        struct key key = from->items[i];

        if (key.retire_ns == UINT64_MAX)
            key.retire_ns = now_ns + rotation_ns;
        if (key.retire_ns > now_ns && !holds(to, &key))
            to->items[to->count++] = key;
        OPENSSL_cleanse(&key, sizeof(key));
    }
}

/* Takes the new keys over, with what is left of the old ones. */
static void put_keys(struct tls_tickets *tickets, struct keys *keys, uint64_t now_ns)
{
    keep_old(keys, &tickets->keys, now_ns, tickets->options.rotation_ns);
    pthread_mutex_lock(&tickets->lock);
    tickets->keys = *keys;
    pthread_mutex_unlock(&tickets->lock);
}

static bool fill_key(struct key *key, struct str text)
{
    const uint8_t *bytes = (const uint8_t *)text.data;

    if (text.len != FILE_SMALL && text.len != FILE_LARGE)
        return false;
    *key = (struct key){.bytes = text.len == FILE_SMALL ? 16 : KEY_BYTES_MAX, .retire_ns = UINT64_MAX};
    memcpy(key->name, bytes, NAME_BYTES);
    memcpy(key->mac, bytes + NAME_BYTES, key->bytes);
    memcpy(key->cipher, bytes + NAME_BYTES + key->bytes, key->bytes);
    return true;
}

static bool read_key(struct arena *arena, struct str path, struct key *key, struct error *err)
{
    char name[PATH_BYTES_MAX];
    struct str text;
    bool filled;

    if (!str_to_cstr(path, name, sizeof(name)))
        return error_set(err, FAULT_CONFIG, ERROR_NOT_FOUND, "ticket key \"%.*s\" is no path", STR_ARG(path));
    if (!file_read(arena, name, FILE_LARGE, &text, err))
        return error_context(err, "ticket key");
    filled = fill_key(key, text);
    OPENSSL_cleanse((char *)(uintptr_t)text.data, text.len);
    return filled || error_set(err, FAULT_CONFIG, ERROR_BAD_CONFIG,
                               "ticket key: %s: %zu bytes, not %d or %d (openssl rand %d > %s)", name, text.len,
                               FILE_SMALL, FILE_LARGE, FILE_LARGE, name);
}

static bool read_files(const struct tls_tickets *tickets, struct keys *keys, size_t *bad, struct error *err)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    bool read = arena || error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for ticket keys");

    keys->count = 0;
    *bad = 0;
    for (size_t i = 0; read && i < tickets->options.file_count; i++) {
        *bad = i;
        read = keys->count < KEYS_MAX ||
               error_set(err, FAULT_CONFIG, ERROR_TOO_LARGE, "ticket keys: more than %d files", KEYS_MAX);
        read = read && read_key(arena, tickets->options.files[i], &keys->items[keys->count], err);
        keys->count += read;
    }
    arena_free(arena);
    return read;
}

/* Whether any file is not what it was. */
static bool look(struct tls_tickets *tickets)
{
    char name[PATH_BYTES_MAX];
    bool changed = false;

    for (size_t i = 0; i < tickets->options.file_count; i++) {
        struct file_stamp now = {0};

        if (str_to_cstr(tickets->options.files[i], name, sizeof(name)))
            now = file_look(name);
        changed |= !file_stamp_eq(&now, &tickets->stamps[i]);
        tickets->stamps[i] = now;
    }
    return changed;
}

static bool first_keys(struct tls_tickets *tickets, uint64_t now_ns, size_t *bad, struct error *err)
{
    struct keys keys = {.count = 1};
    bool got;

    *bad = 0;
    if (tickets->options.file_count > 0) {
        (void)look(tickets); /* before they are read: what is written meanwhile is read again */
        got = read_files(tickets, &keys, bad, err);
    } else {
        got = make_key(&keys.items[0]) || error_set(err, FAULT_SYSTEM, ERROR_SYSTEM, "no random numbers for tickets");
        tickets->made_ns = now_ns;
    }
    if (got)
        put_keys(tickets, &keys, now_ns);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return got;
}

struct tls_tickets *tls_tickets_new(const struct tls_tickets_options *options, uint64_t now_ns, size_t *bad,
                                    struct error *err)
{
    struct tls_tickets *tickets = calloc(1, sizeof(*tickets));
    size_t unwanted;

    error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for session tickets");
    if (!tickets || pthread_mutex_init(&tickets->lock, NULL) != 0) {
        free(tickets);
        return NULL;
    }
    tickets->options = *options;
    tickets->stamps = calloc(options->file_count + 1, sizeof(*tickets->stamps));
    tickets->small = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    tickets->large = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (tickets->stamps && tickets->small && tickets->large && first_keys(tickets, now_ns, bad ? bad : &unwanted, err))
        return tickets;
    tls_tickets_free(tickets);
    return NULL;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (!tickets)
        return;
    EVP_CIPHER_free(tickets->small);
    EVP_CIPHER_free(tickets->large);
    pthread_mutex_destroy(&tickets->lock);
    free(tickets->stamps);
    OPENSSL_cleanse(&tickets->keys, sizeof(tickets->keys));
    free(tickets);
}

/* A key that is made encrypts for one rotation, so tickets of the last one but this have none any more. */
static bool rotate(struct tls_tickets *tickets, uint64_t now_ns, bool *changed, struct error *err)
{
    struct keys keys = {.count = 1};

    if (tickets->made_ns == 0)
        tickets->made_ns = now_ns;
    if (now_ns - tickets->made_ns < tickets->options.rotation_ns)
        return true;
    if (!make_key(&keys.items[0]))
        return error_set(err, FAULT_SYSTEM, ERROR_SYSTEM, "no random numbers for a ticket key");
    tickets->made_ns = now_ns;
    *changed = true;
    put_keys(tickets, &keys, now_ns);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return true;
}

static bool read_again(struct tls_tickets *tickets, uint64_t now_ns, bool *changed, struct error *err)
{
    struct keys keys;
    size_t bad;
    bool read;

    if (!look(tickets))
        return true;
    read = read_files(tickets, &keys, &bad, err);
    if (read) {
        *changed = true;
        put_keys(tickets, &keys, now_ns);
    }
    OPENSSL_cleanse(&keys, sizeof(keys));
    return read;
}

static void forget_old(struct tls_tickets *tickets, uint64_t now_ns)
{
    size_t kept = 0;

    pthread_mutex_lock(&tickets->lock);
    for (size_t i = 0; i < tickets->keys.count; i++)
        if (tickets->keys.items[i].retire_ns > now_ns)
            tickets->keys.items[kept++] = tickets->keys.items[i];
    tickets->keys.count = kept;
    OPENSSL_cleanse(&tickets->keys.items[kept], (KEYS_MAX - kept) * sizeof(struct key));
    pthread_mutex_unlock(&tickets->lock);
}

void tls_tickets_renew(struct tls_tickets *tickets, const struct str *files)
{
    tickets->options.files = files;
}

bool tls_tickets_refresh(struct tls_tickets *tickets, uint64_t now_ns, bool watched, bool *changed, struct error *err)
{
    *changed = false;
    forget_old(tickets, now_ns);
    if (tickets->options.file_count == 0)
        return rotate(tickets, now_ns, changed, err);
    return !watched || read_again(tickets, now_ns, changed, err);
}

uint64_t tls_tickets_due_ns(struct tls_tickets *tickets)
{
    uint64_t due_ns = tickets->options.file_count > 0 ? UINT64_MAX : tickets->made_ns + tickets->options.rotation_ns;

    pthread_mutex_lock(&tickets->lock);
    for (size_t i = 0; i < tickets->keys.count; i++)
        due_ns = u64_min(due_ns, tickets->keys.items[i].retire_ns);
    pthread_mutex_unlock(&tickets->lock);
    return due_ns;
}

/* The key to encrypt with, or the one of that name. *at: which. */
static bool find_key(struct tls_tickets *tickets, const unsigned char *name, bool encrypt, struct key *key, size_t *at)
{
    bool found = false;

    pthread_mutex_lock(&tickets->lock);
    ASSERT(tickets->keys.count > 0);
    for (*at = 0; !found && *at < tickets->keys.count; *at += !found)
        found = encrypt || memcmp(tickets->keys.items[*at].name, name, NAME_BYTES) == 0;
    if (found)
        *key = tickets->keys.items[*at];
    pthread_mutex_unlock(&tickets->lock);
    return found;
}

static bool start_cipher(const struct tls_tickets *tickets, const struct key *key, unsigned char *iv,
                         EVP_CIPHER_CTX *cipher, bool encrypt)
{
    const EVP_CIPHER *kind = key->bytes == KEY_BYTES_MAX ? tickets->large : tickets->small;

    if (encrypt && RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1)
        return false;
    return (encrypt ? EVP_EncryptInit_ex2(cipher, kind, key->cipher, iv, NULL)
                    : EVP_DecryptInit_ex2(cipher, kind, key->cipher, iv, NULL)) == 1;
}

static bool start_mac(struct key *key, EVP_MAC_CTX *mac)
{
    char digest[] = "sha256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, key->bytes),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int tls_tickets_use(struct tls_tickets *tickets, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    struct key key;
    size_t at;
    bool started;

    if (!find_key(tickets, name, encrypt == 1, &key, &at))
        return 0;
    if (encrypt == 1)
        memcpy(name, key.name, NAME_BYTES);
    started = start_cipher(tickets, &key, iv, cipher, encrypt == 1) && start_mac(&key, mac);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!started)
        return -1;
    return at == 0 ? 1 : 2;
}

size_t tls_tickets_count(struct tls_tickets *tickets)
{
    size_t count;

    pthread_mutex_lock(&tickets->lock);
    count = tickets->keys.count;
    pthread_mutex_unlock(&tickets->lock);
    return count;
}
