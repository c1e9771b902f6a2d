/* What the tracer does to each string and each id, in C: codes of text (BLAKE2b, as summaries/hashing.py has them) and
   the cells of open ids (as key_index.py has them).

   Every function gives what its twin in NumPy gives; tests/tracer/compiled holds them to it, and nothing needs this file:
   where no compiler was, the twin runs. Limited API of Python 3.11 (the first with the buffer protocol), so that one
   build serves every later Python.
*/
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define VERSION 1 /* of these functions: tracer/compiled/__init__.py names the one that it can use */
#define BLOCK 128
#define KEY 64 /* bytes of a salt, at most */

/* BLAKE2b, RFC 7693, with a digest of 8 bytes. */

static const uint64_t START[8] = {
    0x6A09E667F3BCC908u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu, 0xA54FF53A5F1D36F1u,
    0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu, 0x1F83D9ABFB41BD6Bu, 0x5BE0CD19137E2179u,
};

static const uint8_t ORDER[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

static uint64_t turned(uint64_t word, int bits) { return (word >> bits) | (word << (64 - bits)); }

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--) word = (word << 8) | bytes[i];
    return word;
}

static void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = turned(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = turned(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = turned(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = turned(v[b] ^ v[c], 63);
}

/* `seen`: bytes up to the end of this block. */
static void compress(uint64_t state[8], const uint8_t block[BLOCK], uint64_t seen, int is_last)
{
    uint64_t v[16], words[16];
    for (int i = 0; i < 16; i++) words[i] = word_at(block + 8 * i);
    memcpy(v, state, sizeof START);
    memcpy(v + 8, START, sizeof START);
    v[12] ^= seen;
    if (is_last) v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = ORDER[round];
        mix(v, 0, 4, 8, 12, words[s[0]], words[s[1]]);
        mix(v, 1, 5, 9, 13, words[s[2]], words[s[3]]);
        mix(v, 2, 6, 10, 14, words[s[4]], words[s[5]]);
        mix(v, 3, 7, 11, 15, words[s[6]], words[s[7]]);
        mix(v, 0, 5, 10, 15, words[s[8]], words[s[9]]);
        mix(v, 1, 6, 11, 12, words[s[10]], words[s[11]]);
        mix(v, 2, 7, 8, 13, words[s[12]], words[s[13]]);
        mix(v, 3, 4, 9, 14, words[s[14]], words[s[15]]);
    }
    for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
}

typedef struct {
    uint64_t state[8]; /* after the salt */
    uint64_t seen;     /* bytes of it */
} Root;

static Root root_of(const uint8_t *salt, size_t size)
{
    Root root = {.seen = 0};
    size = size > KEY ? KEY : size;
    memcpy(root.state, START, sizeof START);
    root.state[0] ^= 0x01010000u ^ ((uint64_t)size << 8) ^ 8u;
    if (size) {
        uint8_t block[BLOCK] = {0};
        memcpy(block, salt, size);
        compress(root.state, block, root.seen = BLOCK, 0);
    }
    return root;
}

/* Of at least one byte. */
static uint64_t hash_of(const Root *root, const uint8_t *text, size_t size)
{
    uint64_t state[8], seen = root->seen;
    uint8_t last[BLOCK] = {0};
    memcpy(state, root->state, sizeof state);
    for (; size > BLOCK; size -= BLOCK, text += BLOCK) compress(state, text, seen += BLOCK, 0);
    memcpy(last, text, size);
    compress(state, last, seen + size, 1);
    return state[0];
}

/* Arrays of NumPy's, by the buffer protocol. */

typedef struct {
    Py_buffer view;
    Py_ssize_t count;
} Array;

/* Of `size` bytes an element; the caller gives contiguous arrays. 0 with an error set where it is none. */
static int take(PyObject *given, Array *array, Py_ssize_t size, int flags)
{
    if (PyObject_GetBuffer(given, &array->view, flags | PyBUF_SIMPLE) < 0) return 0;
    array->count = array->view.len / size;
    return 1;
}

static void leave(Array *arrays, int count)
{
    while (count--) PyBuffer_Release(&arrays[count].view);
}

/* Codes of text. */

/* 0 and no error: not text, or with a lone surrogate, which the caller hashes. */
static int text_code(PyObject *value, const Root *root, uint64_t *code)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (!text) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) PyErr_Clear();
        return 0;
    }
    *code = size ? hash_of(root, (const uint8_t *)text, (size_t)size) : 0;
    return 1;
}

/* What the table holds: 1 with the code, 0 without, -1 with an error set. */
static int known_code(PyObject *table, PyObject *value, uint64_t *code)
{
    PyObject *held = PyDict_GetItemWithError(table, value);
    if (!held) return PyErr_Occurred() ? -1 : 0;
    *code = PyLong_AsUnsignedLongLong(held);
    return PyErr_Occurred() ? -1 : 1;
}

static int remember(PyObject *table, PyObject *value, uint64_t code)
{
    PyObject *number = PyLong_FromUnsignedLongLong(code);
    int failed = number ? PyDict_SetItem(table, value, number) : -1;
    Py_XDECREF(number);
    return failed;
}

static PyObject *text_codes(PyObject *self, PyObject *args)
{
    PyObject *values, *out, *table, *result = NULL;
    Py_ssize_t at, half, longest;
    const char *salt;
    Py_ssize_t salted;
    Array codes;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!OnO!nny#", &PyList_Type, &values, &out, &at, &PyDict_Type, &table, &half, &longest,
                          &salt, &salted))
        return NULL;
    if (!take(out, &codes, 8, PyBUF_WRITABLE)) return NULL;
    Root root = root_of((const uint8_t *)salt, (size_t)salted);
    for (; at < PyList_Size(values) && at < codes.count; at++) {
        PyObject *value = PyList_GetItem(values, at);
        uint64_t code = 0;
        if (value != Py_None) {
            if (!PyUnicode_CheckExact(value)) break;
            int found = half ? known_code(table, value, &code) : 0;
            if (found < 0) goto end;
            if (!found) {
                if (half && PyDict_Size(table) >= half) break;
                if (!text_code(value, &root, &code)) break;
                if (half && PyUnicode_GetLength(value) <= longest && remember(table, value, code) < 0) goto end;
            }
        }
        ((uint64_t *)codes.view.buf)[at] = code;
    }
    result = PyErr_Occurred() ? NULL : PyLong_FromSsize_t(at);
end:
    leave(&codes, 1);
    return result;
}

/* Where keys are kept: open addressing by double hashing. */

#define SPREAD 0x9E3779B97F4A7C15u
#define EMPTY (-1)

typedef struct {
    const uint64_t *keys;
    const int32_t *slots;
    uint64_t mask;
    int shift;
} Cells;

static Cells cells_of(const Array *keys, const Array *slots)
{
    int bits = 0;
    while (((Py_ssize_t)1 << bits) < keys->count) bits++;
    return (Cells){keys->view.buf, slots->view.buf, ((uint64_t)1 << bits) - 1, 64 - bits};
}

static PyObject *find_cells(PyObject *self, PyObject *args)
{
    PyObject *given[4];
    Array arrays[4]; /* asked, out, keys, slots */
    static const int flags[4] = {0, PyBUF_WRITABLE, 0, 0}, sizes[4] = {8, 8, 8, 4};
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOO", &given[0], &given[1], &given[2], &given[3])) return NULL;
    for (int i = 0; i < 4; i++)
        if (!take(given[i], &arrays[i], sizes[i], flags[i])) return leave(arrays, i), NULL;
    const uint64_t *asked = arrays[0].view.buf;
    int64_t *found = arrays[1].view.buf;
    Cells cells = cells_of(&arrays[2], &arrays[3]);
    for (Py_ssize_t i = 0; i < arrays[0].count && i < arrays[1].count; i++) {
        uint64_t spread = asked[i] * SPREAD, cell = spread >> cells.shift, step = (spread & cells.mask) | 1;
        while (cells.slots[cell] != EMPTY && (cells.slots[cell] < 0 || cells.keys[cell] != asked[i]))
            cell = (cell + step) & cells.mask;
        found[i] = cells.slots[cell] == EMPTY ? -1 : (int64_t)cell;
    }
    leave(arrays, 4);
    Py_RETURN_NONE;
}

static PyObject *fill_cells(PyObject *self, PyObject *args)
{
    PyObject *given[4];
    Array arrays[4]; /* new keys, their slots, keys, slots */
    static const int flags[4] = {0, 0, PyBUF_WRITABLE, PyBUF_WRITABLE}, sizes[4] = {8, 4, 8, 4};
    Py_ssize_t filled = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOO", &given[0], &given[1], &given[2], &given[3])) return NULL;
    for (int i = 0; i < 4; i++)
        if (!take(given[i], &arrays[i], sizes[i], flags[i])) return leave(arrays, i), NULL;
    const uint64_t *new = arrays[0].view.buf;
    const int32_t *wanted = arrays[1].view.buf;
    uint64_t *keys = arrays[2].view.buf;
    int32_t *slots = arrays[3].view.buf;
    Cells cells = cells_of(&arrays[2], &arrays[3]);
    for (Py_ssize_t i = 0; i < arrays[0].count && i < arrays[1].count; i++) {
        uint64_t spread = new[i] * SPREAD, cell = spread >> cells.shift, step = (spread & cells.mask) | 1;
        while (slots[cell] >= 0) cell = (cell + step) & cells.mask;
        filled += slots[cell] == EMPTY;
        keys[cell] = new[i];
        slots[cell] = wanted[i];
    }
    leave(arrays, 4);
    return PyLong_FromSsize_t(filled);
}

static PyMethodDef METHODS[] = {
    {"text_codes", text_codes, METH_VARARGS, NULL},
    {"find_cells", find_cells, METH_VARARGS, NULL},
    {"fill_cells", fill_cells, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module) { return PyModule_AddIntConstant(module, "VERSION", VERSION); }

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, fill_module}, {0, NULL}};

static PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "core", .m_methods = METHODS, .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit_core(void) { return PyModuleDef_Init(&MODULE); }
