/* SPDX-License-Identifier: MIT */
/* tokenize.c – a sentence pair as a BERT model sees it.
 *
 *     usage: tokenize [MODEL]     a folder with vocab.txt
 */
#include <adapter_cl/tokenizer.h>

#include <stdio.h>
#include <string.h>

static adcl_text_span span(const char *text)
{
    return (adcl_text_span){text, strlen(text)};
}

int main(int argc, char **argv)
{
    const char *model = argc > 1 ? argv[1] : "tests/golden/tokenizer";
    const adcl_text_span question = span("Where's my card?"), answer = span("Déjà vu: it is lost.");
    adcl_tokenizer *tokenizer = NULL;
    adcl_encoding *encoding = NULL;
    adcl_error error = {.status = ADCL_OK};
    if (adcl_tokenizer_load(&tokenizer, model, &error) != ADCL_OK ||
        adcl_encoding_create(&encoding, &error) != ADCL_OK ||
        adcl_tokenizer_encode(tokenizer, encoding, &question, &answer, 16, &error) != ADCL_OK)
        fprintf(stderr, "%s\n", error.message);
    for (size_t i = 0; encoding != NULL && i < adcl_encoding_count(encoding); i++) {
        int32_t id = adcl_encoding_ids(encoding)[i];
        printf("%2zu  %d  %6d  %s\n", i, adcl_encoding_type_ids(encoding)[i], id,
               adcl_tokenizer_token(tokenizer, id));
    }
    adcl_encoding_destroy(&encoding);
    adcl_tokenizer_destroy(&tokenizer);
    return error.status != ADCL_OK;
}
